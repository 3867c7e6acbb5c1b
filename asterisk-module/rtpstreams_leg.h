/*
 * rtpstreams_leg: one channel of a bridge, as its lock showed it.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#ifndef RTPSTREAMS_LEG_H
#define RTPSTREAMS_LEG_H

#include "asterisk/channel.h"
#include "asterisk/format.h"
#include "asterisk/format_cap.h"
#include "asterisk/rtp_engine.h"

/*! What a channel of a bridge looked like while its lock was held. */
struct leg {
	struct ast_channel *chan;
	/*! NULL when the channel carries no audio over RTP */
	struct ast_rtp_instance *rtp;
	/*! NULL when the channel carries no video over RTP */
	struct ast_rtp_instance *video;
	struct ast_format *format_tx;
	struct ast_format *format_rx;
	struct ast_format_cap *formats;
	const char *state;
	const char *glue;
	const char *video_glue;
	int hold;
	int audio_hook;
	int dtmf_hooks;
	int generator;
	int t38;
	char name[AST_CHANNEL_NAME];
	char id[AST_MAX_UNIQUEID];
	/*! The SIP Call-ID; empty when the channel's driver has no such thing */
	char protocol_id[256];
};

/*!
 * \brief Copy what needs the channel lock, and take references on the rest.
 *
 * The RTP glue of a channel and its T.38 state may only be asked while the channel is in a bridge: chan_pjsip's
 * hangup task frees what both look at without taking the channel lock. A channel cannot be hung up before it
 * has cleared its bridge pointer, which does need the lock (bridge_channel_internal_join() in bridge_channel.c).
 *
 * \retval 0 on success
 * \retval -1 the channel has left this bridge in the meantime
 */
int rtpstreams_leg_read(struct leg *leg, const struct ast_bridge *bridge);

/*!
 * \brief Drop a leg's references
 *
 * To be called without any lock: the last reference on an RTP instance waits for its TURN relays and its ICE
 * thread (rtp_deallocate_transport() in res_rtp_asterisk.c).
 */
void rtpstreams_leg_free(struct leg *leg);

#endif
