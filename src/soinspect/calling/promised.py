"""Prototypes that names promise: those by which hosts call the entry points of their plugins."""

from __future__ import annotations

import re
from dataclasses import replace

from soinspect.calling.signature import parse_signature
from soinspect.errors import UsageError
from soinspect.kinds.catalogue import convention_of
from soinspect.model.signature import Signature

# The types that the hosts' headers define and that are passed by value.
_TYPES = """
typedef int jint, krb5_error_code, VkResult;
typedef long Lmid_t;
typedef unsigned long CK_RV, CK_FLAGS;
typedef unsigned long long qemu_plugin_id_t;
typedef void *napi_env, *napi_value, *krb5_context, *krb5_plugin_vtable, *openvpn_plugin_handle_t, *awk_ext_id_t,
    *VkInstance, **CK_FUNCTION_LIST_PTR_PTR;
typedef void (*PFN_vkVoidFunction)(void);
typedef void *vlc_set_cb, *audioMasterCallback, *retro_environment_t, *retro_video_refresh_t, *retro_audio_sample_t,
    *retro_audio_sample_batch_t, *retro_input_poll_t, *retro_input_state_t;
"""
_DECLARATION = re.compile(r"[^(]*\([^()]*\)")  # what follows it are words


def promised_prototype(name: str) -> Signature | None:
    """How hosts call an entry point of this name; None where that is not known, or not all of it, or is no C."""
    convention = convention_of(name)
    declaration = _DECLARATION.match(convention.prototype) if convention else None
    if convention is None or declaration is None or "..." in declaration[0]:
        return None
    try:
        signature = parse_signature(_TYPES + declaration[0])
    except UsageError:  # words, or C++
        return None
    return replace(signature, name=name, source=f"the convention of {convention.host}", presumed=True)
