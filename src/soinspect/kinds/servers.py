"""Plugins of servers: databases, web servers, brokers, collectors."""

from __future__ import annotations

import re

from soinspect.kinds import filenames
from soinspect.kinds.falco import judge_falco, read_falco
from soinspect.kinds.readers import results
from soinspect.kinds.rule import KindRule, Naming, Need, Sign, function, variable
from soinspect.kinds.structures import (
    apache,
    is_apache_module,
    mysql,
    nginx,
    php,
    postgresql,
    slurm,
    varnish,
    zend_extension,
)

_FLUENT_BIT_FILE = re.compile(r"flb-.+\.so")
_FLUENT_BIT_STRUCTURES = (("in_*_plugin", "input"), ("out_*_plugin", "output"), ("filter_*_plugin", "filter"))

RULES = (
    KindRule(
        id="postgresql",
        title="PostgreSQL module",
        host="PostgreSQL",
        signs=(Sign(exports=("Pg_magic_func",)),),
        entry_points=(
            function("Pg_magic_func", "const Pg_magic_struct *f(void)", callable=True),
            function("_PG_init", "void f(void), inside a server process", Need.OPTIONAL),
            function("pg_finfo_*", "const Pg_finfo_record *f(void)", Need.OPTIONAL),
        ),
        read=postgresql,
        reference="https://www.postgresql.org/docs/current/xfunc-c.html#XFUNC-C-DYNLOAD",
    ),
    KindRule(
        id="php",
        title="PHP extension",
        host="PHP",
        signs=(Sign(exports=("get_module",)),),
        entry_points=(function("get_module", "zend_module_entry *f(void)", callable=True),),
        read=php,
        reference="https://www.phpinternalsbook.com/php7/extensions_design/php_lifecycle.html",
    ),
    KindRule(
        id="zend",
        title="Zend extension",
        host="PHP",
        signs=(Sign(exports=("zend_extension_entry",)),),
        entry_points=(
            variable("zend_extension_entry", "zend_extension"),
            variable("extension_version_info", "zend_extension_version_info { int API; char *build_id; }"),
        ),
        read=zend_extension,
        reference="https://www.phpinternalsbook.com/php7/extensions_design/zend_extensions.html",
    ),
    KindRule(
        id="nginx",
        title="nginx dynamic module",
        host="nginx",
        signs=(Sign(exports=("ngx_modules", "ngx_module_names")), Sign(exports=("ngx_modules",), lacks=("ngx_cycle",))),
        entry_points=(
            variable("ngx_modules", "ngx_module_t *[]"),
            variable("ngx_module_names", "char *[]"),
            variable("ngx_module_order", "char *[]", Need.OPTIONAL),
        ),
        read=nginx,
        reference="https://nginx.org/en/docs/dev/development_guide.html#Modules",
    ),
    KindRule(
        id="apache",
        title="Apache HTTP server module",
        host="Apache",
        signs=(Sign(exports=("*_module",), proof=is_apache_module),),
        entry_points=(variable("*_module", "module"),),
        read=apache,
        reference="https://httpd.apache.org/docs/2.4/developer/modguide.html",
    ),
    KindRule(
        id="mysql",
        title="MySQL plugin",
        host="MySQL",
        signs=(Sign(exports=("_mysql_plugin_interface_version_",)),),
        entry_points=(
            variable("_mysql_plugin_interface_version_", "int"),
            variable("_mysql_sizeof_struct_st_plugin_", "int"),
            variable("_mysql_plugin_declarations_", "struct st_mysql_plugin[]"),
        ),
        read=mysql("_mysql_"),
        reference="https://dev.mysql.com/doc/extending-mysql/8.0/en/plugin-data-structures.html",
    ),
    KindRule(
        id="mariadb",
        title="MariaDB plugin",
        host="MariaDB",
        signs=(Sign(exports=("_maria_plugin_interface_version_",)),),
        entry_points=(
            variable("_maria_plugin_interface_version_", "int"),
            variable("_maria_sizeof_struct_st_plugin_", "int"),
            variable("_maria_plugin_declarations_", "struct st_maria_plugin[]"),
        ),
        read=mysql("_maria_"),
        reference="https://mariadb.com/kb/en/development-writing-plugins-for-mariadb/",
    ),
    KindRule(
        id="redis",
        title="Redis module",
        host="Redis",
        signs=(Sign(exports=("RedisModule_OnLoad",)), Sign(exports=("ValkeyModule_OnLoad",))),
        entry_points=(
            function("RedisModule_OnLoad", "int f(RedisModuleCtx *, RedisModuleString **, int)", Need.ONE_OF),
            function("ValkeyModule_OnLoad", "int f(ValkeyModuleCtx *, ValkeyModuleString **, int)", Need.ONE_OF),
            function("RedisModule_OnUnload", "int f(RedisModuleCtx *)", Need.OPTIONAL),
        ),
        reference="https://redis.io/docs/latest/develop/reference/modules/",
    ),
    KindRule(
        id="sqlite",
        title="SQLite extension",
        host="SQLite",
        signs=(Sign(exports=("sqlite3_*_init",), lacks=("sqlite3_open",)), Sign(exports=("sqlite3_extension_init",))),
        entry_points=(
            function("sqlite3_extension_init", "int f(sqlite3 *, char **, const sqlite3_api_routines *)", Need.ONE_OF),
            function("sqlite3_*_init", "int f(sqlite3 *, char **, const sqlite3_api_routines *)", Need.ONE_OF),
        ),
        naming=Naming(pattern="sqlite3_*_init", stem=filenames.sqlite, binding=False, fit=filenames.or_extension),
        reference="https://www.sqlite.org/loadext.html",
    ),
    KindRule(
        id="varnish",
        title="Varnish module",
        host="Varnish",
        signs=(Sign(exports=("Vmod_*_Data",)),),
        entry_points=(variable("Vmod_*_Data", "const struct vmod_data"),),
        read=varnish,
        reference="https://varnish-cache.org/docs/trunk/reference/vmod.html",
    ),
    KindRule(
        id="mosquitto",
        title="Mosquitto plugin",
        host="Mosquitto",
        signs=(Sign(exports=("mosquitto_plugin_init",)), Sign(exports=("mosquitto_plugin_version",))),
        entry_points=(
            function("mosquitto_plugin_version", "int f(int count, const int *versions)"),
            function("mosquitto_plugin_init",
                     "int f(mosquitto_plugin_id_t *, void **, struct mosquitto_opt *, int)"),
            function("mosquitto_plugin_cleanup", "int f(void *, struct mosquitto_opt *, int)", Need.OPTIONAL),
        ),
        reference="https://mosquitto.org/api2/files/mosquitto_plugin-h.html",
    ),
    KindRule(
        id="mosquitto-auth",
        title="Mosquitto authentication plugin (before version 5)",
        host="Mosquitto",
        signs=(Sign(exports=("mosquitto_auth_plugin_version",)),),
        entry_points=(
            function("mosquitto_auth_plugin_version", "int f(void)"),
            function("mosquitto_auth_plugin_init", "int f(void **, struct mosquitto_opt *, int)"),
            function("mosquitto_auth_plugin_cleanup", "int f(void *, struct mosquitto_opt *, int)"),
            function("mosquitto_auth_security_init", "int f(void *, struct mosquitto_opt *, int, bool)"),
            function("mosquitto_auth_security_cleanup", "int f(void *, struct mosquitto_opt *, int, bool)"),
        ),
        read=results("mosquitto_auth_plugin_version"),
        reference="https://mosquitto.org/api2/files/mosquitto_plugin-h.html",
    ),
    KindRule(
        id="openvpn",
        title="OpenVPN plugin",
        host="OpenVPN",
        signs=tuple(Sign(exports=(f"openvpn_plugin_open_v{version}",)) for version in (1, 2, 3)),
        entry_points=(
            function("openvpn_plugin_open_v3", "int f(const int version, args const *, args_return *)", Need.ONE_OF),
            function("openvpn_plugin_open_v2", "openvpn_plugin_handle_t f(unsigned *, ...)", Need.ONE_OF),
            function("openvpn_plugin_open_v1", "openvpn_plugin_handle_t f(unsigned *, ...)", Need.ONE_OF),
            function("openvpn_plugin_close_v1", "void f(openvpn_plugin_handle_t)"),
            function("openvpn_plugin_min_version_required_v1", "int f(void)", Need.OPTIONAL),
        ),
        read=results("openvpn_plugin_min_version_required_v1"),
        reference="https://github.com/OpenVPN/openvpn/blob/master/include/openvpn-plugin.h.in",
    ),
    KindRule(
        id="collectd",
        title="collectd plugin",
        host="collectd",
        signs=(Sign(exports=("module_register",)),),
        entry_points=(function("module_register", "void f(void)"),),
        reference="https://www.collectd.org/documentation/plugin-architecture.html",
    ),
    KindRule(
        id="zabbix",
        title="Zabbix module",
        host="Zabbix",
        signs=(Sign(exports=("zbx_module_api_version",)),),
        entry_points=(
            function("zbx_module_api_version", "int f(void)"),
            function("zbx_module_init", "int f(void)", Need.OPTIONAL),
            function("zbx_module_item_list", "ZBX_METRIC *f(void)", Need.OPTIONAL),
            function("zbx_module_uninit", "int f(void)", Need.OPTIONAL),
        ),
        read=results("zbx_module_api_version"),
        reference="https://www.zabbix.com/documentation/current/en/manual/extensions/loadablemodules",
    ),
    KindRule(
        id="fluent-bit",
        title="Fluent Bit plugin",
        host="Fluent Bit",
        signs=tuple(
            sign
            for pattern, part in _FLUENT_BIT_STRUCTURES
            for sign in (
                Sign(exports=(pattern,), file_name=_FLUENT_BIT_FILE),
                Sign(exports=(pattern,), imports=(f"flb_{part}_set_context",)),
            )
        ),
        entry_points=tuple(
            variable(pattern, f"struct flb_{part}_plugin", Need.ONE_OF) for pattern, part in _FLUENT_BIT_STRUCTURES
        ),
        reference="https://github.com/fluent/fluent-bit/blob/master/DEVELOPER_GUIDE.md",
    ),
    KindRule(
        id="fluent-bit-go",
        title="Fluent Bit plugin in Go",
        host="Fluent Bit",
        signs=(Sign(exports=("FLBPluginRegister",)), Sign(exports=("FLBPluginInit",))),
        entry_points=(
            function("FLBPluginRegister", "int f(void *)"),
            function("FLBPluginInit", "int f(void *)"),
            function("FLBPluginFlush", "int f(void *, int, char *)", Need.ONE_OF),
            function("FLBPluginFlushCtx", "int f(void *, void *, int, char *)", Need.ONE_OF),
            function("FLBPluginInputCallback", "int f(void **, size_t *)", Need.ONE_OF),
            function("FLBPluginInputCallbackCtx", "int f(void *, void **, size_t *)", Need.ONE_OF),
            function("FLBPluginExit", "int f(void)", Need.OPTIONAL),
        ),
        reference="https://docs.fluentbit.io/manual/development/golang-output-plugins",
    ),
    KindRule(
        id="falco",
        title="Falco plugin",
        host="Falco",
        signs=(Sign(exports=("plugin_get_required_api_version",)),),
        entry_points=(
            function("plugin_get_required_api_version", "const char *f(void)"),
            function("plugin_get_version", "const char *f(void)"),
            function("plugin_get_name", "const char *f(void)"),
            function("plugin_get_description", "const char *f(void)"),
            function("plugin_get_contact", "const char *f(void)"),
            function("plugin_init", "ss_plugin_t *f(const ss_plugin_init_input *, ss_plugin_rc *)"),
            function("plugin_destroy", "void f(ss_plugin_t *)"),
            function("plugin_get_last_error", "const char *f(ss_plugin_t *)"),
        ),
        read=read_falco,
        judge=judge_falco,
        reference="https://falco.org/docs/reference/plugins/plugin-api-reference/",
    ),
    KindRule(
        id="envoy-go",
        title="Envoy HTTP filter in Go",
        host="Envoy",
        signs=(Sign(exports=("envoyGoFilterNewHttpPluginConfig",)), Sign(exports=("envoyGoFilterOnHttpHeader",))),
        entry_points=(
            function("envoyGoFilterNewHttpPluginConfig", "differs between releases"),
            function("envoyGoFilterDestroyHttpPluginConfig", "void f(unsigned long long, int)"),
            function("envoyGoFilterMergeHttpPluginConfig", "differs between releases"),
            function("envoyGoFilterOnHttpHeader", "differs between releases"),
            function("envoyGoFilterOnHttpData", "differs between releases"),
            function("envoyGoFilterOnHttpLog", "differs between releases"),
            function("envoyGoFilterOnHttpDestroy", "differs between releases"),
            function("envoyGoRequestSemaDec", "void f(httpRequest *)", Need.OPTIONAL),
        ),
        reference="https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/golang_filter",
    ),
    KindRule(
        id="slurm",
        title="Slurm plugin",
        host="Slurm",
        signs=(Sign(exports=("plugin_name", "plugin_type", "plugin_version")),),
        entry_points=(
            variable("plugin_name", "const char[]"),
            variable("plugin_type", "const char[]"),
            variable("plugin_version", "const uint32_t"),
            function("init", "int f(void)", Need.OPTIONAL),
            function("fini", "int f(void)", Need.OPTIONAL),
        ),
        read=slurm,
        reference="https://slurm.schedmd.com/plugins.html",
    ),
)  # fmt: skip
