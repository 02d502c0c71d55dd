"""Extension modules of programming languages."""

from __future__ import annotations

from soinspect.kinds import filenames, python
from soinspect.kinds.goprofiles import GO, judge_go, read_go
from soinspect.kinds.readers import in_name, linked_with, results
from soinspect.kinds.rule import KindRule, Naming, Need, Sign, function, variable
from soinspect.kinds.structures import asks_tcl_for_stubs, erlang, java

RULES = (
    KindRule(
        id=GO,
        title="Go plugin",
        host="Go",
        signs=(Sign(exports=("go:link.pkghashbytes.*",)), Sign(exports=("go.link.pkghashbytes.*",))),
        entry_points=(
            variable("go:link.pkghashbytes.*", "string, the fingerprint of a package", Need.ONE_OF),
            variable("go.link.pkghashbytes.*", "string, the fingerprint of a package (before Go 1.20)", Need.ONE_OF),
        ),
        read=read_go,
        judge=judge_go,
        reference="https://pkg.go.dev/plugin",
    ),
    KindRule(
        id="python",
        title="Python extension module",
        host="Python",
        signs=(
            Sign(exports=("PyInit_*",), lacks=("Py_BytesMain",)),
            Sign(exports=("PyInitU_*",), lacks=("Py_BytesMain",)),
            Sign(exports=("PyModExport_*",), lacks=("Py_BytesMain",)),
            Sign(file_name=python.FILE_NAME),
        ),
        entry_points=(
            function("PyInit_*", "PyObject *f(void)", Need.ONE_OF, callable=True, uses_python=True),
            function("PyInitU_*", "PyObject *f(void)", Need.ONE_OF, callable=True, uses_python=True),
            function("PyModExport_*", "PySlot *f(void), from Python 3.15 on", Need.ONE_OF),
        ),
        naming=Naming(pattern="PyInit_*", stem=python.module_name),
        read=python.read,
        judge=python.judge,
        reference="https://docs.python.org/3/extending/building.html",
    ),
    KindRule(
        id="node-api",
        title="Node-API addon",
        host="Node.js",
        signs=(
            Sign(exports=("napi_register_module_v1",), lacks=("napi_create_function",)),
            Sign(imports=("napi_module_register",)),
        ),
        entry_points=(  # before it could export the function, an addon had to register it in a constructor
            function("napi_register_module_v1", "napi_value f(napi_env, napi_value exports)", Need.OPTIONAL),
            function("node_api_module_get_api_version_v1", "int32_t f(void)", Need.OPTIONAL),
        ),
        read=results("node_api_module_get_api_version_v1"),
        reference="https://nodejs.org/api/n-api.html",
    ),
    KindRule(
        id="node-addon",
        title="Node.js addon of one ABI",
        host="Node.js",
        signs=(Sign(exports=("node_register_module_v*",)),),
        entry_points=(
            function("node_register_module_v*", "void f(Local<Object>, Local<Value>, Local<Context>)"),
        ),
        read=in_name("node_register_module_v", "NODE_MODULE_VERSION"),
        reference="https://nodejs.org/api/addons.html",
    ),
    KindRule(
        id="ruby",
        title="Ruby extension",
        host="Ruby",
        signs=(Sign(exports=("Init_*",), imports=("rb_*",)),),
        entry_points=(function("Init_*", "void f(void), inside a Ruby interpreter"),),
        naming=Naming(pattern="Init_*", stem=filenames.up_to_dot),
        read=linked_with("libruby"),
        reference="https://docs.ruby-lang.org/en/master/extension_rdoc.html",
    ),
    KindRule(
        id="lua",
        title="Lua module",
        host="Lua",
        signs=(Sign(exports=("luaopen_*",), lacks=("lua_newstate",)),),
        entry_points=(function("luaopen_*", "int f(lua_State *)"),),
        naming=Naming(pattern="luaopen_*", stem=filenames.lua, fit=filenames.ends_after("_")),
        reference="https://www.lua.org/manual/5.4/manual.html#pdf-package.searchers",
    ),
    KindRule(
        id="perl",
        title="Perl XS module",
        host="Perl XS",
        signs=(Sign(exports=("boot_*",), imports=("Perl_*",), lacks=("perl_construct",)),),
        entry_points=(function("boot_*", "void f(PerlInterpreter *, CV *)"),),
        naming=Naming(pattern="boot_*", stem=filenames.up_to_dot, fit=filenames.ends_after("__")),
        reference="https://perldoc.perl.org/XSLoader",
    ),
    KindRule(
        id="r",
        title="R package library",
        host="R",
        signs=(Sign(exports=("R_init_*",)),),
        entry_points=(function("R_init_*", "void f(DllInfo *)"),),
        naming=Naming(pattern="R_init_*", stem=filenames.r_package, binding=False),
        reference="https://cran.r-project.org/doc/manuals/r-release/R-exts.html",
    ),
    KindRule(
        id="tcl",
        title="Tcl extension",
        host="Tcl",
        signs=(
            Sign(exports=("*_Init",), imports=("Tcl_*",), lacks=("Tcl_CreateInterp",)),
            Sign(exports=("*_Init",), lacks=("Tcl_CreateInterp",), proof=asks_tcl_for_stubs),
        ),
        entry_points=(
            function("*_Init", "int f(Tcl_Interp *)"),
            function("*_SafeInit", "int f(Tcl_Interp *)", Need.OPTIONAL),
            function("*_Unload", "int f(Tcl_Interp *, int flags)", Need.OPTIONAL),
        ),
        naming=Naming(pattern="*_Init", stem=filenames.tcl, binding=False),
        reference="https://www.tcl-lang.org/man/tcl8.6/TclCmd/load.htm",
    ),
    KindRule(
        id="jni",
        title="JNI library",
        host="Java",
        signs=(Sign(exports=("JNI_OnLoad",)), Sign(exports=("Java_*",))),
        entry_points=(
            function("JNI_OnLoad", "jint f(JavaVM *, void *)", Need.ONE_OF),
            function("Java_*", "what the Java method declares, f(JNIEnv *, jobject or jclass, ...)", Need.ONE_OF),
            function("JNI_OnUnload", "void f(JavaVM *, void *)", Need.OPTIONAL),
        ),
        read=java,
        reference="https://docs.oracle.com/en/java/javase/21/docs/specs/jni/invocation.html#jni_onload",
    ),
    KindRule(
        id="jvmti",
        title="JVMTI agent",
        host="Java",
        signs=(Sign(exports=("Agent_OnLoad",)), Sign(exports=("Agent_OnAttach",))),
        entry_points=(
            function("Agent_OnLoad", "jint f(JavaVM *, char *, void *)", Need.ONE_OF),
            function("Agent_OnAttach", "jint f(JavaVM *, char *, void *)", Need.ONE_OF),
            function("Agent_OnUnload", "void f(JavaVM *)", Need.OPTIONAL),
        ),
        reference="https://docs.oracle.com/en/java/javase/21/docs/specs/jvmti.html",
    ),
    KindRule(
        id="erlang",
        title="Erlang NIF library",
        host="Erlang",
        signs=(Sign(exports=("nif_init",)),),
        entry_points=(function("nif_init", "ErlNifEntry *f(void)"),),
        read=erlang,
        reference="https://www.erlang.org/doc/apps/erts/erl_nif.html",
    ),
    KindRule(
        id="emacs",
        title="Emacs module",
        host="Emacs",
        signs=(Sign(exports=("emacs_module_init",)),),
        entry_points=(
            function("emacs_module_init", "int f(struct emacs_runtime *)"),
            variable("plugin_is_GPL_compatible", "int"),
        ),
        reference="https://www.gnu.org/software/emacs/manual/html_node/elisp/Module-Initialization.html",
    ),
)  # fmt: skip
