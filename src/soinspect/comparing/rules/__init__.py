"""What can be found, as data: all rules in one ordered tuple."""

from soinspect.comparing.rules.classes import RULES as CLASS_RULES
from soinspect.comparing.rules.dynamic import RULES as DYNAMIC_RULES
from soinspect.comparing.rules.go import RULES as GO_RULES
from soinspect.comparing.rules.gobuild import RULES as GO_BUILD_RULES
from soinspect.comparing.rules.gohost import RULES as GO_HOST_RULES
from soinspect.comparing.rules.gotypes import RULES as GO_TYPE_RULES
from soinspect.comparing.rules.identity import RULES as IDENTITY_RULES
from soinspect.comparing.rules.loading import RULES as LOADING_RULES
from soinspect.comparing.rules.names import RULES as NAME_RULES
from soinspect.comparing.rules.symbols import RULES as SYMBOL_RULES
from soinspect.comparing.rules.types import RULES as TYPE_RULES

# Of what is equally grave, the first is told first: another machine before all the symbols that it lacks.
RULES = (
    *IDENTITY_RULES,
    *GO_RULES,
    *GO_HOST_RULES,
    *GO_TYPE_RULES,
    *GO_BUILD_RULES,
    *NAME_RULES,
    *SYMBOL_RULES,
    *CLASS_RULES,
    *TYPE_RULES,
    *DYNAMIC_RULES,
    *LOADING_RULES,
)
