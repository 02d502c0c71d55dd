"""Plugins of the operating system's own libraries and services."""

from __future__ import annotations

from soinspect.kinds import filenames
from soinspect.kinds.pam import judge_pam, read_pam
from soinspect.kinds.rule import KindRule, Naming, Need, Sign, function, variable
from soinspect.kinds.structures import SUDO_STRUCTURES, is_sudo_plugin, is_xorg_module, nss, sudo, xorg

_PAM = "int f(pam_handle_t *, int, int, const char **)"

RULES = (
    KindRule(
        id="pam",
        title="PAM module",
        host="PAM",
        signs=(Sign(exports=("pam_sm_*",), lacks=("pam_start",)),),
        entry_points=(function("pam_sm_*", _PAM),),
        read=read_pam,
        judge=judge_pam,
        reference="https://www.chiark.greenend.org.uk/doc/libpam-doc/html/Linux-PAM_MWG.html",
    ),
    KindRule(
        id="nss",
        title="name service (NSS) library",
        host="glibc NSS",
        signs=(
            Sign(exports=("_nss_*",), lacks=("gnu_get_libc_version",)),
            Sign(file_name=filenames.NSS),
        ),
        entry_points=(function("_nss_*", "enum nss_status f(...)"),),
        naming=Naming(pattern="_nss_*", stem=filenames.nss, fit=filenames.begins_before("_")),
        read=nss,
        reference="https://www.gnu.org/software/libc/manual/html_node/NSS-Module-Names.html",
    ),
    KindRule(
        id="gconv",
        title="character set converter (gconv)",
        host="glibc iconv",
        signs=(Sign(exports=("gconv",), lacks=("gnu_get_libc_version",)),),
        entry_points=(
            function("gconv", "int f(struct __gconv_step *, struct __gconv_step_data *, const unsigned char **, ...)"),
            function("gconv_init", "int f(struct __gconv_step *)", Need.OPTIONAL),
            function("gconv_end", "void f(struct __gconv_step *)", Need.OPTIONAL),
        ),
        reference="https://www.gnu.org/software/libc/manual/html_node/glibc-iconv-Implementation.html",
    ),
    KindRule(
        id="ld-audit",
        title="auditor of the dynamic linker (LD_AUDIT)",
        host="glibc ld.so",
        signs=(Sign(exports=("la_version",)),),
        entry_points=(
            function("la_version", "unsigned int f(unsigned int)"),
            function("la_objopen", "unsigned int f(struct link_map *, Lmid_t, uintptr_t *)", Need.OPTIONAL),
            function("la_symbind64", "uintptr_t f(Elf64_Sym *, unsigned int, uintptr_t *, ...)", Need.OPTIONAL),
        ),
        reference="https://man7.org/linux/man-pages/man7/rtld-audit.7.html",
    ),
    KindRule(
        id="openssl-provider",
        title="OpenSSL provider",
        host="OpenSSL",
        signs=(Sign(exports=("OSSL_provider_init",)),),
        entry_points=(
            function("OSSL_provider_init",
                     "int f(const OSSL_CORE_HANDLE *, const OSSL_DISPATCH *, const OSSL_DISPATCH **, void **)"),
        ),
        reference="https://docs.openssl.org/master/man7/provider/",
    ),
    KindRule(
        id="openssl-engine",
        title="OpenSSL engine",
        host="OpenSSL 1",
        signs=(Sign(exports=("bind_engine",)),),
        entry_points=(
            function("bind_engine", "int f(ENGINE *, const char *, const dynamic_fns *)"),
            function("v_check", "unsigned long f(unsigned long)"),
        ),
        reference="https://docs.openssl.org/1.1.1/man3/ENGINE_add/",
    ),
    KindRule(
        id="pkcs11",
        title="PKCS #11 module",
        host="PKCS #11",
        signs=(Sign(exports=("C_GetFunctionList",)),),
        entry_points=(
            function("C_GetFunctionList", "CK_RV f(CK_FUNCTION_LIST_PTR_PTR)"),
            function("C_GetInterface", "CK_RV f(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS), from 3.0 on",
                     Need.OPTIONAL),
        ),
        reference="https://docs.oasis-open.org/pkcs11/pkcs11-base/v3.0/pkcs11-base-v3.0.html",
    ),
    KindRule(
        id="sasl",
        title="SASL plugin",
        host="Cyrus SASL",
        signs=tuple(
            Sign(exports=(f"sasl_{part}_plug_init",), lacks=("sasl_client_new",))
            for part in ("server", "client", "auxprop", "canonuser")
        ),
        entry_points=tuple(
            function(f"sasl_{part}_plug_init", "int f(const sasl_utils_t *, int, int *, ...)", Need.ONE_OF)
            for part in ("server", "client", "auxprop", "canonuser")
        ),
        reference="https://www.cyrusimap.org/sasl/sasl/developer/plugprog.html",
    ),
    KindRule(
        id="krb5",
        title="Kerberos plugin",
        host="MIT Kerberos",
        signs=(Sign(exports=("*_initvt",)), Sign(exports=("kdb_function_table",))),
        entry_points=(
            function("*_initvt", "krb5_error_code f(krb5_context, int, int, krb5_plugin_vtable)", Need.ONE_OF),
            variable("kdb_function_table", "kdb_vftabl", Need.ONE_OF),
        ),
        reference="https://web.mit.edu/kerberos/krb5-latest/doc/plugindev/general.html",
    ),
    KindRule(
        id="sudo",
        title="sudo plugin",
        host="sudo",
        signs=tuple(Sign(exports=(pattern,), proof=is_sudo_plugin) for pattern in SUDO_STRUCTURES),
        entry_points=tuple(
            variable(pattern, f"struct {pattern.strip('_*')}_plugin", Need.ONE_OF) for pattern in SUDO_STRUCTURES
        ),
        read=sudo,
        reference="https://www.sudo.ws/docs/man/sudo_plugin.man/",
    ),
    KindRule(
        id="vulkan-driver",
        title="Vulkan driver (ICD)",
        host="Vulkan",
        signs=(
            Sign(exports=("vk_icdGetInstanceProcAddr",)),
            Sign(exports=("vk_icdNegotiateLoaderICDInterfaceVersion",)),
        ),
        entry_points=(
            function("vk_icdGetInstanceProcAddr", "PFN_vkVoidFunction f(VkInstance, const char *)"),
            function("vk_icdNegotiateLoaderICDInterfaceVersion", "VkResult f(uint32_t *)", Need.OPTIONAL),
            function("vk_icdGetPhysicalDeviceProcAddr", "PFN_vkVoidFunction f(VkInstance, const char *)",
                     Need.OPTIONAL),
        ),
        reference="https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md",
    ),
    KindRule(
        id="vulkan-layer",
        title="Vulkan layer",
        host="Vulkan",
        signs=(Sign(exports=("vkNegotiateLoaderLayerInterfaceVersion",)),),
        entry_points=(
            function("vkNegotiateLoaderLayerInterfaceVersion", "VkResult f(VkNegotiateLayerInterface *)"),
        ),
        reference="https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderLayerInterface.md",
    ),
    KindRule(
        id="xorg",
        title="X.Org server module",
        host="X.Org",
        signs=(Sign(exports=("*ModuleData",), proof=is_xorg_module),),
        entry_points=(variable("*ModuleData", "XF86ModuleData"),),
        read=xorg,
        reference="https://gitlab.freedesktop.org/xorg/xserver/-/blob/master/hw/xfree86/doc/ddxDesign.xml",
    ),
    KindRule(
        id="gio",
        title="GIO module",
        host="GIO",
        signs=(Sign(exports=("g_io_module_load",)), Sign(exports=("g_io_*_load",), imports=("g_io_*",))),
        entry_points=(
            function("g_io_module_load", "void f(GIOModule *)", Need.ONE_OF),
            function("g_io_*_load", "void f(GIOModule *), named after the file", Need.ONE_OF),
            function("g_io_module_query", "char **f(void)", Need.OPTIONAL, callable=True),
            function("g_io_module_unload", "void f(GIOModule *)", Need.OPTIONAL),
        ),
        reference="https://docs.gtk.org/gio/class.IOModule.html",
    ),
    KindRule(
        id="gmodule",
        title="GModule",
        host="GModule",
        signs=(Sign(exports=("g_module_check_init",)),),
        entry_points=(function("g_module_check_init", "const char *f(GModule *)"),),
        reference="https://docs.gtk.org/gmodule/struct.Module.html",
    ),
)  # fmt: skip
