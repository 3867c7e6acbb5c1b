/*
 * offload_publish: the beginning and the end of dialling, as Dial() publishes them.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

/*!
 * \file
 * \brief Asterisk publishes what ARI dials without the caller (res/stasis/control.c, main/bridge_channel.c).
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/json.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"

#include "offload_dial.h"

void publish_dial(struct stasis_topic *topic, const char *caller_id, const char *peer_id, const char *dialstring,
	const char *status)
{
	RAII_VAR(struct ast_channel_snapshot *, caller, ast_channel_snapshot_get_latest(caller_id), ao2_cleanup);
	RAII_VAR(struct ast_channel_snapshot *, peer, ast_channel_snapshot_get_latest(peer_id), ao2_cleanup);
	struct ast_multi_channel_blob *payload;
	struct stasis_message *message;
	struct ast_json *blob;

	if (!caller || !peer || !ast_channel_dial_type()) {
		return;
	}
	blob = ast_json_pack("{s: s, s: s, s: s}", "dialstatus", S_OR(status, ""), "forward", "",
		"dialstring", S_OR(dialstring, ""));
	if (!blob) {
		return;
	}
	payload = ast_multi_channel_blob_create(blob);
	ast_json_unref(blob);
	if (!payload) {
		return;
	}
	ast_multi_channel_blob_add_channel(payload, "caller", caller);
	ast_multi_channel_blob_add_channel(payload, "peer", peer);
	message = stasis_message_create(ast_channel_dial_type(), payload);
	ao2_ref(payload, -1);
	if (message) {
		stasis_publish(topic, message);
		ao2_ref(message, -1);
	}
}
