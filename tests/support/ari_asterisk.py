"""The configuration of an Asterisk of which only ARI and Local channels are used; as a command it is written to a directory."""

import sys
from pathlib import Path

WITHIN = 120.0
# What a URL would break on, or a log would show.
PASSWORD = "s3cr&t%2B +#pass"

FILES = {
    "asterisk.conf": "[directories]\nastetcdir => /cfg\n[options]\nhideconnect = yes\n",
    "modules.conf": "[modules]\nautoload = no\n"
    + "".join(
        f"load = {name}.so\n"
        for name in (
            *(
                "res_sorcery_config",
                "res_timing_timerfd",
                "codec_ulaw",
                "pbx_config",
                "func_global",
                "res_clioriginate",
            ),
            *("bridge_simple", "bridge_holding", "res_http_websocket", "res_websocket_client"),
            *("res_stasis", "res_stasis_answer", "res_stasis_playback", "res_stasis_recording"),
            *("res_stasis_snoop", "res_stasis_device_state", "app_stasis", "res_ari", "res_ari_model"),
            *("res_ari_applications", "res_ari_asterisk", "res_ari_bridges", "res_ari_channels"),
            *("res_ari_endpoints", "res_ari_events", "res_ari_playbacks"),
        )
    ),
    "http.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 8088\n",
    "ari.conf": f"[general]\nenabled = yes\n[offload]\ntype = user\npassword = {PASSWORD}\n"
    f"[reader]\ntype = user\nread_only = yes\npassword = {PASSWORD}\n",
    "extensions.conf": """
[in]
exten => enter,1,Stasis(offload,Local/answer@in,30,g)
 same => n,Set(GLOBAL(RESULT)=${STASISSTATUS} ${DIALSTATUS})
exten => answer,1,Answer()
 same => n,Wait(60)
exten => quiet,1,Wait(60)
""",
    "logger.conf": "[logfiles]\nconsole = warning,error\n",
}

if __name__ == "__main__":
    for name, text in {**FILES, "password": PASSWORD}.items():
        Path(sys.argv[1], name).write_text(text)
