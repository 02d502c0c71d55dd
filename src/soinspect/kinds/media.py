"""Plugins of audio, video and graphics software."""

from __future__ import annotations

from soinspect.kinds import filenames
from soinspect.kinds.qt import read_qt
from soinspect.kinds.readers import in_name, results
from soinspect.kinds.rule import KindRule, Naming, Need, Sign, function, variable
from soinspect.kinds.structures import clap, gstreamer, obs

_LIBRETRO = (
    ("retro_set_environment", "void f(retro_environment_t)"),
    ("retro_set_video_refresh", "void f(retro_video_refresh_t)"),
    ("retro_set_audio_sample", "void f(retro_audio_sample_t)"),
    ("retro_set_audio_sample_batch", "void f(retro_audio_sample_batch_t)"),
    ("retro_set_input_poll", "void f(retro_input_poll_t)"),
    ("retro_set_input_state", "void f(retro_input_state_t)"),
    ("retro_init", "void f(void)"),
    ("retro_deinit", "void f(void)"),
    ("retro_api_version", "unsigned f(void)"),
    ("retro_get_system_info", "void f(struct retro_system_info *)"),
    ("retro_get_system_av_info", "void f(struct retro_system_av_info *)"),
    ("retro_set_controller_port_device", "void f(unsigned, unsigned)"),
    ("retro_reset", "void f(void)"),
    ("retro_run", "void f(void)"),
    ("retro_serialize_size", "size_t f(void)"),
    ("retro_serialize", "bool f(void *, size_t)"),
    ("retro_unserialize", "bool f(const void *, size_t)"),
    ("retro_cheat_reset", "void f(void)"),
    ("retro_cheat_set", "void f(unsigned, bool, const char *)"),
    ("retro_load_game", "bool f(const struct retro_game_info *)"),
    ("retro_load_game_special", "bool f(unsigned, const struct retro_game_info *, size_t)"),
    ("retro_unload_game", "void f(void)"),
    ("retro_get_region", "unsigned f(void)"),
    ("retro_get_memory_data", "void *f(unsigned)"),
    ("retro_get_memory_size", "size_t f(unsigned)"),
)

RULES = (
    KindRule(
        id="gstreamer",
        title="GStreamer plugin",
        host="GStreamer",
        signs=(Sign(exports=("gst_plugin_*_get_desc",)),),
        entry_points=(
            function("gst_plugin_*_get_desc", "const GstPluginDesc *f(void)", callable=True),
            function("gst_plugin_*_register", "void f(void)", Need.OPTIONAL),
        ),
        naming=Naming(pattern="gst_plugin_*_get_desc", stem=filenames.gstreamer),
        read=gstreamer,
        reference="https://gstreamer.freedesktop.org/documentation/gstreamer/gstplugin.html",
    ),
    KindRule(
        id="qt",
        title="Qt plugin",
        host="Qt",
        signs=(Sign(exports=("qt_plugin_instance",)), Sign(section=".qtmetadata"), Sign(section=".note.qt.metadata")),
        entry_points=(
            function("qt_plugin_instance", "QObject *f(void), inside a Qt application"),
            function("qt_plugin_query_metadata", "const char *f(void), Qt 5", Need.OPTIONAL, callable=True),
            function("qt_plugin_query_metadata_v2", "QPluginMetaData f(void), Qt 6", Need.OPTIONAL),
        ),
        read=read_qt,
        reference="https://doc.qt.io/qt-6/plugins-howto.html",
    ),
    KindRule(
        id="vlc",
        title="VLC module",
        host="VLC",
        signs=(Sign(exports=("vlc_entry__*",)), Sign(exports=("vlc_entry",), lacks=("libvlc_new",))),
        entry_points=(
            function("vlc_entry__*", "int f(vlc_set_cb, void *)", Need.ONE_OF),
            function("vlc_entry", "int f(vlc_set_cb, void *), VLC 4", Need.ONE_OF),
        ),
        read=in_name("vlc_entry__", "interface"),
        reference="https://wiki.videolan.org/Documentation:VLC_Modules_Loading/",
    ),
    KindRule(
        id="obs",
        title="OBS Studio plugin",
        host="OBS Studio",
        signs=(Sign(exports=("obs_module_load",)),),
        entry_points=(
            function("obs_module_load", "bool f(void)"),
            function("obs_module_set_pointer", "void f(obs_module_t *)"),
            function("obs_module_ver", "uint32_t f(void)"),
        ),
        read=obs,
        reference="https://docs.obsproject.com/plugins",
    ),
    KindRule(
        id="ladspa",
        title="LADSPA plugin",
        host="LADSPA",
        signs=(Sign(exports=("ladspa_descriptor",)),),
        entry_points=(function("ladspa_descriptor", "const LADSPA_Descriptor *f(unsigned long)"),),
        reference="https://www.ladspa.org/ladspa_sdk/overview.html",
    ),
    KindRule(
        id="dssi",
        title="DSSI plugin",
        host="DSSI",
        signs=(Sign(exports=("dssi_descriptor",)),),
        entry_points=(function("dssi_descriptor", "const DSSI_Descriptor *f(unsigned long)"),),
        reference="https://dssi.sourceforge.net/",
    ),
    KindRule(
        id="lv2",
        title="LV2 plugin",
        host="LV2",
        signs=tuple(Sign(exports=(name,)) for name in ("lv2_descriptor", "lv2_lib_descriptor", "lv2ui_descriptor")),
        entry_points=(
            function("lv2_descriptor", "const LV2_Descriptor *f(uint32_t)", Need.ONE_OF),
            function("lv2_lib_descriptor", "const LV2_Lib_Descriptor *f(const char *, const LV2_Feature *const *)",
                     Need.ONE_OF),
            function("lv2ui_descriptor", "const LV2UI_Descriptor *f(uint32_t)", Need.ONE_OF),
        ),
        reference="https://lv2plug.in/ns/lv2core",
    ),
    KindRule(
        id="vst2",
        title="VST 2 plugin",
        host="VST 2",
        signs=(Sign(exports=("VSTPluginMain",)),),
        entry_points=(function("VSTPluginMain", "AEffect *f(audioMasterCallback)"),),
        reference="https://en.wikipedia.org/wiki/Virtual_Studio_Technology",
    ),
    KindRule(
        id="vst3",
        title="VST 3 plugin",
        host="VST 3",
        signs=(Sign(exports=("GetPluginFactory",)),),
        entry_points=(
            function("GetPluginFactory", "IPluginFactory *f(void), after ModuleEntry"),
            function("ModuleEntry", "bool f(void *)"),
            function("ModuleExit", "bool f(void)"),
        ),
        reference="https://steinbergmedia.github.io/vst3_dev_portal/pages/Technical+Documentation/VST+Module+Architecture/Loading.html",
    ),
    KindRule(
        id="clap",
        title="CLAP plugin",
        host="CLAP",
        signs=(Sign(exports=("clap_entry",)),),
        entry_points=(variable("clap_entry", "const clap_plugin_entry_t"),),
        read=clap,
        reference="https://github.com/free-audio/clap/blob/main/include/clap/entry.h",
    ),
    KindRule(
        id="libretro",
        title="libretro core",
        host="libretro",
        signs=(Sign(exports=("retro_api_version",)), Sign(exports=("retro_run",))),
        entry_points=tuple(function(name, prototype) for name, prototype in _LIBRETRO),
        read=results("retro_api_version"),
        reference="https://docs.libretro.com/development/cores/developing-cores/",
    ),
)  # fmt: skip
