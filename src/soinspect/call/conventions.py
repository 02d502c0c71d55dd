"""Entry points that hosts look for by name, as data: what each is, and whether it may be called without
arguments.

Only functions that their host's documentation declares with no parameters, and that only return a
description, are called; they need no host around them. All others are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """A pattern of symbol names, the ``host`` that looks for them, and the C ``prototype`` it expects.

    ``callable`` is True for functions that are safe to call without arguments and without their host.
    ``uses_python`` marks those that work with the Python interpreter of the process.
    """

    pattern: str
    host: str
    prototype: str
    callable: bool = False
    uses_python: bool = False


CONVENTIONS: tuple[Convention, ...] = (
    Convention(pattern="PyInit_*", host="Python", prototype="PyObject *f(void)", callable=True, uses_python=True),
    Convention(pattern="gst_plugin_*_get_desc", host="GStreamer", prototype="const GstPluginDesc *f(void)",
               callable=True),
    Convention(pattern="Pg_magic_func", host="PostgreSQL", prototype="const Pg_magic_struct *f(void)", callable=True),
    Convention(pattern="get_module", host="PHP", prototype="zend_module_entry *f(void)", callable=True),
    Convention(pattern="qt_plugin_query_metadata", host="Qt 5", prototype="const char *f(void)", callable=True),
    Convention(pattern="g_io_module_query", host="GIO", prototype="char **f(void)", callable=True),
    Convention(pattern="_PG_init", host="PostgreSQL", prototype="void f(void), inside a server process"),
    Convention(pattern="Init_*", host="Ruby", prototype="void f(void), inside a Ruby interpreter"),
    Convention(pattern="qt_plugin_instance", host="Qt", prototype="QObject *f(void), inside a Qt application"),
    Convention(pattern="qt_plugin_query_metadata_v2", host="Qt 6", prototype="QPluginMetaData f(void)"),
    Convention(pattern="GetPluginFactory", host="VST 3", prototype="IPluginFactory *f(void), after ModuleEntry"),
    Convention(pattern="ModuleEntry", host="VST 3", prototype="bool f(void *)"),
    Convention(pattern="VSTPluginMain", host="VST 2", prototype="AEffect *f(audioMasterCallback)"),
    Convention(pattern="clap_entry", host="CLAP", prototype="const clap_plugin_entry_t clap_entry (a variable)"),
    Convention(pattern="ladspa_descriptor", host="LADSPA", prototype="const LADSPA_Descriptor *f(unsigned long)"),
    Convention(pattern="lv2_descriptor", host="LV2", prototype="const LV2_Descriptor *f(uint32_t)"),
    Convention(pattern="pam_sm_*", host="PAM", prototype="int f(pam_handle_t *, int, int, const char **)"),
    Convention(pattern="_nss_*_r", host="glibc NSS", prototype="enum nss_status f(...)"),
    Convention(pattern="sqlite3_*_init", host="SQLite",
               prototype="int f(sqlite3 *, char **, const sqlite3_api_routines *)"),
    Convention(pattern="sqlite3_extension_init", host="SQLite",
               prototype="int f(sqlite3 *, char **, const sqlite3_api_routines *)"),
    Convention(pattern="luaopen_*", host="Lua", prototype="int f(lua_State *)"),
    Convention(pattern="boot_*", host="Perl XS", prototype="void f(PerlInterpreter *, CV *)"),
    Convention(pattern="JNI_OnLoad", host="Java", prototype="jint f(JavaVM *, void *)"),
    Convention(pattern="Agent_OnLoad", host="Java", prototype="jint f(JavaVM *, char *, void *)"),
    Convention(pattern="napi_register_module_v1", host="Node.js", prototype="napi_value f(napi_env, napi_value)"),
    Convention(pattern="RedisModule_OnLoad", host="Redis", prototype="int f(RedisModuleCtx *, ...)"),
    Convention(pattern="OSSL_provider_init", host="OpenSSL",
               prototype="int f(const OSSL_CORE_HANDLE *, const OSSL_DISPATCH *, const OSSL_DISPATCH **, void **)"),
    Convention(pattern="bind_engine", host="OpenSSL 1", prototype="int f(ENGINE *, const char *, ...)"),
    Convention(pattern="C_GetFunctionList", host="PKCS #11", prototype="CK_RV f(CK_FUNCTION_LIST_PTR_PTR)"),
    Convention(pattern="vk_icdGetInstanceProcAddr", host="Vulkan",
               prototype="PFN_vkVoidFunction f(VkInstance, const char *)"),
    Convention(pattern="plugin_init", host="GCC, nbdkit and others", prototype="differs between hosts"),
    Convention(pattern="g_module_check_init", host="GModule", prototype="const char *f(GModule *)"),
    Convention(pattern="g_io_module_load", host="GIO", prototype="void f(GIOModule *)"),
    Convention(pattern="weechat_plugin_init", host="WeeChat",
               prototype="int f(struct t_weechat_plugin *, int, char **)"),
    Convention(pattern="vlc_entry__*", host="VLC", prototype="int f(vlc_set_cb, void *)"),
)  # fmt: skip


def convention_of(name: str) -> Convention | None:
    """The convention that a symbol's name follows, or None."""
    return next((c for c in CONVENTIONS if fnmatchcase(name, c.pattern)), None)
