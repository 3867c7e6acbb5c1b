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

/*!
 * \file
 * \brief The channel lock is held to copy and to take references, never to ask the RTP instance anything.
 */

#include "asterisk.h"

#include "rtpstreams_leg.h"

static const char *glue_name(enum ast_rtp_glue_result result)
{
	switch (result) {
	case AST_RTP_GLUE_RESULT_FORBID:
		return "forbid";
	case AST_RTP_GLUE_RESULT_REMOTE:
		return "remote";
	case AST_RTP_GLUE_RESULT_LOCAL:
		return "local";
	}
	return "none";
}

/*!
 * \brief Whether T.38 is being negotiated or on
 *
 * channel.h wants no channel locked here: for the sake of drivers that pass the question on to another channel,
 * as Local does. Those have no RTP glue. A driver with one looks into its own session, and takes no lock for it
 * (chan_pjsip_queryoption() in chan_pjsip.c).
 *
 * \pre \a chan is locked and its technology has RTP glue
 */
static int has_t38(struct ast_channel *chan)
{
	enum ast_t38_state state = ast_channel_get_t38_state(chan);

	return state == T38_STATE_NEGOTIATING || state == T38_STATE_NEGOTIATED;
}

int rtpstreams_leg_read(struct leg *leg, const struct ast_bridge *bridge)
{
	struct ast_channel *chan = leg->chan;
	struct ast_rtp_glue *glue;
	SCOPED_CHANNELLOCK(lock, chan);

	if (ast_channel_internal_bridge(chan) != bridge) {
		return -1;
	}

	ast_copy_string(leg->name, ast_channel_name(chan), sizeof(leg->name));
	ast_copy_string(leg->id, ast_channel_uniqueid(chan), sizeof(leg->id));
	leg->state = ast_state2str(ast_channel_state(chan));
	leg->hold = ast_channel_hold_state(chan) == AST_CONTROL_HOLD;
	leg->audio_hook = ast_channel_has_hook_requiring_audio(chan);
	leg->generator = ast_channel_generator(chan) != NULL;
	leg->format_tx = ao2_bump(ast_channel_rawwriteformat(chan));
	leg->format_rx = ao2_bump(ast_channel_rawreadformat(chan));
	leg->formats = ao2_bump(ast_channel_nativeformats(chan));

	leg->glue = leg->video_glue = "none";
	glue = ast_rtp_instance_get_glue(ast_channel_tech(chan)->type);
	if (!glue) {
		return 0;
	}
	leg->glue = glue_name(glue->get_rtp_info(chan, &leg->rtp));
	leg->t38 = has_t38(chan);
	if (ast_channel_tech(chan)->get_pvt_uniqueid) {
		ast_copy_string(leg->protocol_id, ast_channel_tech(chan)->get_pvt_uniqueid(chan), sizeof(leg->protocol_id));
	}
	if (glue->get_vrtp_info) {
		enum ast_rtp_glue_result result = glue->get_vrtp_info(chan, &leg->video);

		if (leg->video) {
			leg->video_glue = glue_name(result);
		}
	}
	return 0;
}

void rtpstreams_leg_free(struct leg *leg)
{
	ao2_cleanup(leg->rtp);
	ao2_cleanup(leg->video);
	ao2_cleanup(leg->format_tx);
	ao2_cleanup(leg->format_rx);
	ao2_cleanup(leg->formats);
	ast_channel_unref(leg->chan);
}
