"""PAM modules: each management group is a function or two (Linux-PAM Module Writers' Guide, chapter 3)."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.readers import fact
from soinspect.model.pluginkind import KindFact, KindProblem

_GROUPS = (
    ("auth", ("pam_sm_authenticate", "pam_sm_setcred")),
    ("account", ("pam_sm_acct_mgmt",)),
    ("session", ("pam_sm_open_session", "pam_sm_close_session")),
    ("password", ("pam_sm_chauthtok",)),
)


def read_pam(file: PluginFile) -> Iterator[KindFact]:
    """The management groups that it serves."""
    served = [group for group, functions in _GROUPS if all(map(file.exported, functions))]
    yield fact("management groups", ", ".join(served) or "none")


def judge_pam(file: PluginFile) -> Iterator[KindProblem]:
    """Whether a group is served by halves: PAM then fails with PAM_MODULE_UNKNOWN in the other half."""
    for group, functions in _GROUPS:
        missing = [name for name in functions if not file.exported(name)]
        if missing and len(missing) < len(functions):
            yield KindProblem(
                kind="pam",
                summary=f"{group}: {missing[0]} is missing",
                refused=False,
                fix=f"export {missing[0]}, if only to return PAM_IGNORE",
            )
