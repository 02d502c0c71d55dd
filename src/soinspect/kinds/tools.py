"""Plugins of compilers and other tools."""

from __future__ import annotations

from soinspect.kinds.readers import integers, texts
from soinspect.kinds.rule import KindRule, Need, Sign, function, variable
from soinspect.kinds.structures import gcc, llvm

RULES = (
    KindRule(
        id="llvm",
        title="LLVM pass plugin",
        host="LLVM",
        signs=(Sign(exports=("llvmGetPassPluginInfo",)),),
        entry_points=(function("llvmGetPassPluginInfo", "PassPluginLibraryInfo f(void)"),),
        read=llvm,
        reference="https://llvm.org/docs/WritingAnLLVMNewPMPass.html#registering-passes-as-plugins",
    ),
    KindRule(
        id="gcc",
        title="GCC plugin",
        host="GCC",
        signs=(
            Sign(exports=("plugin_init", "plugin_is_GPL_compatible")),
            Sign(exports=("plugin_init",), imports=("register_callback",)),
            Sign(exports=("plugin_init",), imports=("_Z17register_callbackPKciPFvPvS1_ES1_",)),
        ),
        entry_points=(
            function("plugin_init", "int f(struct plugin_name_args *, struct plugin_gcc_version *)"),
            variable("plugin_is_GPL_compatible", "int"),
        ),
        read=gcc,
        reference="https://gcc.gnu.org/onlinedocs/gccint/Plugins-loading.html",
    ),
    KindRule(
        id="make",
        title="GNU make loadable object",
        host="GNU make",
        signs=(Sign(exports=("*_gmk_setup",)),),
        entry_points=(
            function("*_gmk_setup", "int f(void)"),
            variable("plugin_is_GPL_compatible", "int"),
        ),
        reference="https://www.gnu.org/software/make/manual/html_node/Loading-Objects.html",
    ),
    KindRule(
        id="gawk",
        title="gawk extension",
        host="gawk",
        signs=(Sign(exports=("dl_load", "plugin_is_GPL_compatible")),),
        entry_points=(
            function("dl_load", "int f(const gawk_api_t *, awk_ext_id_t)"),
            variable("plugin_is_GPL_compatible", "int"),
        ),
        reference="https://www.gnu.org/software/gawk/manual/html_node/Extension-API-Description.html",
    ),
    KindRule(
        id="nbdkit",
        title="nbdkit plugin",
        host="nbdkit",
        signs=(Sign(exports=("plugin_init",), imports=("nbdkit_*",)),),
        entry_points=(function("plugin_init", "struct nbdkit_plugin *f(void)"),),
        reference="https://libguestfs.org/nbdkit-plugin.3.html",
    ),
    KindRule(
        id="qemu",
        title="QEMU TCG plugin",
        host="QEMU",
        signs=(Sign(exports=("qemu_plugin_install",)),),
        entry_points=(
            function("qemu_plugin_install", "int f(qemu_plugin_id_t, const qemu_info_t *, int, char **)"),
            variable("qemu_plugin_version", "int"),
        ),
        read=integers("qemu_plugin_version"),
        reference="https://www.qemu.org/docs/master/devel/tcg-plugins.html",
    ),
    KindRule(
        id="wireshark",
        title="Wireshark plugin",
        host="Wireshark",
        signs=(Sign(exports=("plugin_want_major", "plugin_want_minor")),),
        entry_points=(
            variable("plugin_version", "const char[]"),
            variable("plugin_want_major", "const int"),
            variable("plugin_want_minor", "const int"),
            function("plugin_register", "void f(void)"),
            function("plugin_describe", "uint32_t f(void)", Need.OPTIONAL),
        ),
        read=integers("plugin_want_major", "plugin_want_minor"),
        reference="https://gitlab.com/wireshark/wireshark/-/blob/master/doc/README.plugins",
    ),
    KindRule(
        id="weechat",
        title="WeeChat plugin",
        host="WeeChat",
        signs=(Sign(exports=("weechat_plugin_init",)), Sign(exports=("weechat_plugin_api_version",))),
        entry_points=(
            function("weechat_plugin_init", "int f(struct t_weechat_plugin *, int, char **)"),
            variable("weechat_plugin_api_version", "char[]"),
            variable("weechat_plugin_name", "char[]"),
        ),
        read=texts("weechat_plugin_name", "weechat_plugin_api_version"),
        reference="https://weechat.org/files/doc/stable/weechat_plugin_api.en.html",
    ),
)
