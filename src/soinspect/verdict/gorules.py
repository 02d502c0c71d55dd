"""What ``check`` can find on the Go side, as data, in the order in which the host meets it."""

from __future__ import annotations

from soinspect.model.verdict import Outcome, ReasonRule

_PLUGIN = "https://pkg.go.dev/plugin"
_OPEN = "https://go.dev/src/plugin/plugin_dlopen.go"
_STUBS = "https://go.dev/src/plugin/plugin_stubs.go"
_INIT = "https://go.dev/src/runtime/plugin.go"
_LINKER = "https://go.dev/src/cmd/link/internal/ld/lib.go"
_SANITIZER = "https://github.com/google/sanitizers/wiki/AddressSanitizerAsDso"


def _rule(name: str, outcome: Outcome, title: str, why: str, fix: str, reference: str) -> ReasonRule:
    return ReasonRule(id=f"check.go.{name}", outcome=outcome, title=title, why=why, fix=fix, reference=reference)


HOST_KIND = _rule(
    "host-kind", Outcome.UNDECIDED, "The host is a part of a Go program",
    "What Go code in a library can open depends on the program that loads it, and on how.",
    "Name the program that opens the plugin.", _PLUGIN,
)  # fmt: skip
NEVER_OPENS = _rule(
    "never-opens", Outcome.REJECTED, "The host never calls plugin.Open",
    "The linker left package plugin out, so that the host has no way to load any plugin.",
    "Name the program that opens the plugin, or call plugin.Open in it.", _PLUGIN,
)  # fmt: skip
SHARED_RUNTIME = _rule(
    "shared-runtime", Outcome.UNDECIDED, "The host's Go runtime is in a shared library",
    "What plugin.Open compares stands in the libraries that the host was linked with (-linkshared), and plugins must be"
    " built against the very same ones.",
    "Build the host without -linkshared.", _PLUGIN,
)  # fmt: skip
NOT_IMPLEMENTED = _rule(
    "not-implemented", Outcome.REJECTED, "The host was built without cgo",
    "Without cgo, every plugin.Open returns the error 'plugin: not implemented'.",
    "Build the host with CGO_ENABLED=1 and a C compiler.", _STUBS,
)  # fmt: skip
NOTHING_EXPORTED = _rule(
    "nothing-exported", Outcome.ABORTS_HOST, "The host exports nothing to plugins",
    "A host that is linked statically or by Go's own linker has no dynamic symbols. The plugin then registers its"
    " module with a runtime of its own, which nobody runs, and the host's runtime throws.",
    "Link the host dynamically, with the C linker: no -extldflags=-static, no -linkmode=internal.", _LINKER,
)  # fmt: skip
SANITIZER = _rule(
    "address-sanitizer", Outcome.ABORTS_HOST, "The plugin was built with -asan",
    "AddressSanitizer ends a process that loads it late; in a host that has it already, it ends the process because"
    " both define the same variables.",
    "Build the plugin without -asan.", _SANITIZER,
)  # fmt: skip
NOT_A_PLUGIN = _rule(
    "not-a-plugin", Outcome.ABORTS_HOST, "The plugin is no Go plugin",
    "dlopen loads any library, but the runtime then looks for a module that the library did not register, and throws."
    " After another plugin it finds that one instead, and says that it is already loaded.",
    "Build it with -buildmode=plugin.", _INIT,
)  # fmt: skip
UNREADABLE = _rule(
    "plugin-unreadable", Outcome.UNDECIDED, "What the host compares cannot be read",
    "The module data, package hashes or exports of the plugin are damaged, or of a Go release that is not known yet.",
    "Use an undamaged file, or a newer soinspect.", _INIT,
)  # fmt: skip
LAYOUT_UNKNOWN = _rule(
    "layout-unknown", Outcome.UNDECIDED, "How the host lays out its module data is not known",
    "Whether host and plugin understand each other's module data decides between an error and a crash.",
    "Use a host whose Go release is known (go1.10 to go1.27).", _INIT,
)  # fmt: skip
MODULE_LINK = _rule(
    "module-link", Outcome.ABORTS_HOST, "The Go releases keep the list of modules in different places",
    "The plugin links its module data into the host's list at the offset that its own release knows. A host of a"
    " release with another offset finds no new module and throws 'no plugin module data'. After another plugin it"
    " finds that one instead and says that it is already loaded; it then never finds any later plugin either.",
    "Build the plugin with the host's Go release.", _INIT,
)  # fmt: skip
MODULE_FIELDS = _rule(
    "module-fields", Outcome.ABORTS_HOST, "The Go releases lay out module data differently",
    "The host finds the plugin's module data, and reads other fields than the plugin wrote: it crashes.",
    "Build the plugin with the host's Go release.", _INIT,
)  # fmt: skip
ALREADY_LOADED = _rule(
    "already-loaded", Outcome.REJECTED, "A plugin with the same plugin path is loaded already",
    "The runtime tells plugins apart by the plugin path: the import path of package main, or a hash of its files when"
    " it is built from a list of files. A copy under another name is the same plugin to it.",
    "Give the package another import path: a module path or folder of its own.", _INIT,
)  # fmt: skip
PREVIOUS_FAILURE = _rule(
    "previous-failure", Outcome.REJECTED, "The file was refused before",
    "plugin.Open remembers for each file why it refused it.",
    "Remove the reason for the first refusal, and start the host anew.", _OPEN,
)  # fmt: skip
PACKAGE_HASH = _rule(
    "package-hash", Outcome.REJECTED, "Host and plugin share packages that were built differently",
    "The runtime compares a hash of each package's export data and refuses the plugin at the first difference. The"
    " error names that one package; all that differ are listed here.",
    "Build the plugin with the host's Go release, flags (-trimpath, -gcflags=all=, -tags, -race) and dependencies.",
    _INIT,
)  # fmt: skip
PACKAGE_HASH_IN_ORDER = _rule(
    "package-hash-in-order", Outcome.REJECTED, "An earlier plugin brought packages that were built differently",
    "Packages that the host lacks come into the process with the first plugin that has them, even one that is"
    " refused. A later plugin is compared with those. Opened in another order, another plugin fails.",
    "Build all plugins of one host with the same dependencies and flags.", _INIT,
)  # fmt: skip
EXPORT_WITHOUT_SYMBOL = _rule(
    "export-without-symbol", Outcome.REJECTED, "An export has no dynamic symbol",
    "plugin.Open looks up PLUGINPATH.NAME of each export after the plugin's initialisers have run. It is missing after"
    " -ldflags=-pluginpath=..., or when a version script or strip removed it. A second Open of the file never returns.",
    "Build the plugin without -ldflags=-pluginpath=, and keep its dynamic symbols.", _OPEN,
)  # fmt: skip
REQUIRED_SYMBOL = _rule(
    "required-symbol", Outcome.REJECTED, "A required symbol is not exported",
    "plugin.Lookup finds the exported functions and variables of package main only: no types, constants or methods.",
    "Export a function or variable of that name from package main.", _PLUGIN,
)  # fmt: skip
REQUIRED_TYPE = _rule(
    "required-type", Outcome.REJECTED, "A required symbol has another type",
    "The host's type assertion on what plugin.Lookup returned fails. A variable is looked up as a pointer to it.",
    "Give the symbol the type that the host asserts.", _PLUGIN,
)  # fmt: skip
OTHER_VERSION = _rule(
    "other-version", Outcome.ACCEPTED, "Shared packages come from other versions of a module",
    "The hash covers types and inlinable functions only. The plugin loads, and runs the host's version of these"
    " packages instead of the one it was built and tested with.",
    "Build the plugin with the host's version of the module.", _INIT,
)  # fmt: skip
AFTER_UNDECIDED = _rule(
    "after-undecided", Outcome.UNDECIDED, "An earlier plugin could not be judged",
    "Whether the packages of an earlier plugin conflict with this one is not known.",
    "Check this plugin alone, or without the earlier one.", _INIT,
)  # fmt: skip
HOST_GONE = _rule(
    "host-gone", Outcome.UNDECIDED, "An earlier plugin ends the host",
    "The host does not live long enough to open this plugin.",
    "Remove the plugin that aborts the host.", _INIT,
)  # fmt: skip

RULES = (
    HOST_KIND, NEVER_OPENS, SHARED_RUNTIME, NOT_IMPLEMENTED, HOST_GONE, SANITIZER, NOTHING_EXPORTED, NOT_A_PLUGIN,
    UNREADABLE, LAYOUT_UNKNOWN, MODULE_LINK, MODULE_FIELDS, ALREADY_LOADED, PREVIOUS_FAILURE, PACKAGE_HASH,
    PACKAGE_HASH_IN_ORDER, EXPORT_WITHOUT_SYMBOL, REQUIRED_SYMBOL, REQUIRED_TYPE, OTHER_VERSION, AFTER_UNDECIDED,
)  # fmt: skip
