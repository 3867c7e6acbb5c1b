/*
 * rtpstreams_row: one channel of a bridge as a line of text.
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
 * \brief Only getters that read: several lookups of the RTP engine assign what they do not find.
 */

#include "asterisk.h"

#include "asterisk/json.h"
#include "asterisk/netsock2.h"

#include "rtpstreams_row.h"

typedef void (*address_getter)(struct ast_rtp_instance *rtp, struct ast_sockaddr *address);

/*!
 * \brief Payload type we write on this leg
 *
 * ast_rtp_codecs_payload_code_tx_sample_rate() falls back on the static table, which knows telephone-event
 * as 101 whether or not this leg does, so its answer is checked as bridge_p2p_rtp_write() checks it.
 *
 * \param codecs Of the leg's RTP instance
 * \param format The audio format, NULL for telephone-event
 * \param rate Clock rate of telephone-event, in Hz
 *
 * \retval -1 if none was negotiated
 */
static int payload_type_tx(struct ast_rtp_codecs *codecs, struct ast_format *format, unsigned int rate)
{
	int pt = format ? ast_rtp_codecs_payload_code_tx_sample_rate(codecs, 1, format, 0, 0)
		: ast_rtp_codecs_payload_code_tx_sample_rate(codecs, 0, NULL, AST_RTP_DTMF, rate);

	return pt < 0 ? -1 : ast_rtp_codecs_find_payload_code(codecs, pt);
}

enum mapping {
	MAPPING_NONE,
	MAPPING_RETIRED,
	MAPPING_PRIMARY,
};

/*! \brief Whether a packet of this payload type would be read as \a format, or as telephone-event if NULL */
static enum mapping mapping_rx(struct ast_rtp_codecs *codecs, int pt,
	struct ast_format *format, unsigned int rate)
{
	struct ast_rtp_payload_type *type = ast_rtp_codecs_get_payload(codecs, pt);
	enum mapping mapping = MAPPING_NONE;
	int same;

	if (!type) {
		return MAPPING_NONE;
	}
	if (format) {
		same = type->asterisk_format && ast_format_cmp(format, type->format) == AST_FORMAT_CMP_EQUAL;
	} else {
		same = !type->asterisk_format && type->rtp_code == AST_RTP_DTMF && type->sample_rate == rate;
	}
	if (same) {
		mapping = type->primary_mapping ? MAPPING_PRIMARY : MAPPING_RETIRED;
	}
	ao2_ref(type, -1);
	return mapping;
}

/*!
 * \brief Payload type this leg writes to us
 *
 * The one lookup by format there is, ast_rtp_codecs_payload_code(), assigns a payload type when it finds
 * none, so all numbers are tried. First the one we transmit, because an answer repeats the offer's numbers
 * (RFC 3264 section 6.1) and because with several telephone-event clock rates Asterisk retires the numbers
 * in use in favour of some that never were in an SDP. Then from the top, because below
 * AST_RTP_PT_LAST_STATIC an unused number answers with its static format.
 *
 * \param codecs, format, rate As for payload_type_tx()
 * \param tx What payload_type_tx() said
 *
 * \retval -1 if none was negotiated
 */
static int payload_type_rx(struct ast_rtp_codecs *codecs,
	struct ast_format *format, unsigned int rate, int tx)
{
	int pt;

	if (tx >= 0 && mapping_rx(codecs, tx, format, rate) != MAPPING_NONE) {
		return tx;
	}
	for (pt = AST_RTP_MAX_PT - 1; pt >= 0; --pt) {
		if (mapping_rx(codecs, pt, format, rate) == MAPPING_PRIMARY) {
			break;
		}
	}
	return pt;
}

/*!
 * \brief Payload types of telephone-event by clock rate, as an object with a key for each rate in Hz
 *
 * A native bridge gives an event the number that the other leg has for the same rate (bridge_p2p_rtp_write()), which
 * need not be that of the audio: Opus has 48000, and most phones send its events at 8000. A rate is there if it was
 * negotiated in both directions; Asterisk's static table would accept 101 in any case.
 *
 * \param codecs Of the leg's RTP instance
 * \param rx Whether to give the numbers that the leg writes to us, not those we write
 */
static struct ast_json *json_events(struct ast_rtp_codecs *codecs, int rx)
{
	struct ast_json *numbers = ast_json_object_create();
	int pt;

	for (pt = 0; pt < AST_RTP_MAX_PT; ++pt) {
		struct ast_rtp_payload_type *type = ast_rtp_codecs_get_payload(codecs, pt);
		unsigned int rate = 0;
		int number_tx;
		int number_rx;
		char key[16];

		if (type) {
			rate = !type->asterisk_format && type->rtp_code == AST_RTP_DTMF ? type->sample_rate : 0;
			ao2_ref(type, -1);
		}
		if (!rate) {
			continue;
		}
		number_tx = payload_type_tx(codecs, NULL, rate);
		number_rx = number_tx < 0 ? -1 : payload_type_rx(codecs, NULL, rate, number_tx);
		if (number_rx >= 0) {
			snprintf(key, sizeof(key), "%u", rate);
			ast_json_object_set(numbers, key, ast_json_integer_create(rx ? number_rx : number_tx));
		}
	}
	return numbers;
}

static const char *rtcp_name(struct ast_rtp_instance *rtp)
{
	switch (ast_rtp_instance_get_prop(rtp, AST_RTP_PROPERTY_RTCP)) {
	case AST_RTP_INSTANCE_RTCP_STANDARD:
		return "separate";
	case AST_RTP_INSTANCE_RTCP_MUX:
		return "mux";
	default:
		return "off";
	}
}

/*!
 * \brief Whether the instance had ICE when its RTCP was set up, on a port of its own
 *
 * No getter tells whether ICE is on: each instance gets a user name, a password and candidates for RTP before
 * chan_pjsip stops the ICE of an endpoint that has none, and keeps them all. RTCP comes later, and its candidates
 * are only made while ICE still is (ast_rtp_prop_set() in res_rtp_asterisk.c).
 */
static int has_ice(struct ast_rtp_instance *rtp)
{
	struct ast_rtp_engine_ice *ice = ast_rtp_instance_get_ice(rtp);
	struct ao2_container *candidates = ice ? ice->get_local_candidates(rtp) : NULL;
	struct ast_rtp_engine_ice_candidate *candidate;
	struct ao2_iterator every;
	int found = 0;

	if (!candidates) {
		return 0;
	}
	every = ao2_iterator_init(candidates, 0);
	for (; !found && (candidate = ao2_iterator_next(&every)); ao2_ref(candidate, -1)) {
		found = candidate->id == AST_RTP_ICE_COMPONENT_RTCP;
	}
	ao2_iterator_destroy(&every);
	ao2_ref(candidates, -1);
	return found;
}

static struct ast_json *json_number(int known, intmax_t number)
{
	return known ? ast_json_integer_create(number) : ast_json_null();
}

static struct ast_json *json_address(struct ast_rtp_instance *rtp, address_getter get)
{
	struct ast_sockaddr address;

	get(rtp, &address);
	if (ast_sockaddr_isnull(&address)) {
		return ast_json_null();
	}
	return ast_json_string_create(ast_sockaddr_stringify(&address));
}

static struct ast_json *json_audio_formats(const struct ast_format_cap *formats)
{
	struct ast_json *names = ast_json_array_create();
	size_t i;

	for (i = 0; formats && i < ast_format_cap_count(formats); ++i) {
		struct ast_format *format = ast_format_cap_get_format(formats, i);

		if (ast_format_get_type(format) == AST_MEDIA_TYPE_AUDIO) {
			ast_json_array_append(names, ast_json_string_create(ast_format_get_name(format)));
		}
		ao2_ref(format, -1);
	}
	return names;
}

/*! \brief The half of a row that comes out of the RTP instance; takes no lock but the instance's own */
static struct ast_json *json_media(const struct leg *leg)
{
	struct ast_rtp_instance *rtp = leg->rtp;
	struct ast_rtp_codecs *codecs = ast_rtp_instance_get_codecs(rtp);
	struct ast_rtp_engine_dtls *dtls = ast_rtp_instance_get_dtls(rtp);
	int audio_tx = leg->format_tx ? payload_type_tx(codecs, leg->format_tx, 0) : -1;
	int audio_rx = leg->format_rx ? payload_type_rx(codecs, leg->format_rx, 0, audio_tx) : -1;
	time_t idle = time(NULL) - ast_rtp_instance_get_last_rx(rtp);
	/* Stays zero, thus unknown, while RTCP is off: ast_rtp_get_stat() answers only together with RTCP. */
	struct ast_rtp_instance_stats stats = { 0, };

	ast_rtp_instance_get_stats(rtp, &stats, AST_RTP_INSTANCE_STAT_ALL);

	return ast_json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s,"
		"s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:I, s:I, s:o, s:i, s:i}",
		"local", json_address(rtp, ast_rtp_instance_get_local_address),
		"remote", json_address(rtp, ast_rtp_instance_get_incoming_source_address),
		"sdp", json_address(rtp, ast_rtp_instance_get_requested_target_address),
		"audio_pt_tx", json_number(audio_tx >= 0, audio_tx),
		"audio_pt_rx", json_number(audio_rx >= 0, audio_rx),
		"event_pts_tx", json_events(codecs, 0),
		"event_pts_rx", json_events(codecs, 1),
		"framing_ms", (int) ast_rtp_codecs_get_framing(codecs),
		"rtcp", rtcp_name(rtp),
		"srtp", ast_rtp_instance_get_srtp(rtp, 0) != NULL,
		"dtls", dtls && dtls->active(rtp),
		"ice", has_ice(rtp),
		/* -1 when on */
		"symmetric", ast_rtp_instance_get_prop(rtp, AST_RTP_PROPERTY_NAT) != 0,
		"local_bridge", ast_rtp_instance_get_bridged(rtp) != NULL,
		/* Before its first packet an SSRC is a promise, and last_rx the time of the SDP. */
		"ssrc_tx", json_number(stats.txcount, stats.local_ssrc),
		"ssrc_rx", json_number(stats.rxcount, stats.remote_ssrc),
		"packets_tx", (ast_json_int_t) stats.txcount,
		"packets_rx", (ast_json_int_t) stats.rxcount,
		"idle_s", json_number(stats.rxcount, MAX(idle, 0)),
		"rtp_timeout_s", ast_rtp_instance_get_timeout(rtp),
		"rtp_keepalive_s", ast_rtp_instance_get_keepalive(rtp));
}

/*! \brief The same half for a channel without RTP */
static struct ast_json *json_no_media(void)
{
	return ast_json_pack("{s:n, s:n, s:n, s:n, s:n, s:{}, s:{}, s:i, s:s,"
		"s:b, s:b, s:b, s:b, s:b, s:n, s:n, s:i, s:i, s:n, s:i, s:i}",
		"local", "remote", "sdp", "audio_pt_tx", "audio_pt_rx", "event_pts_tx", "event_pts_rx",
		"framing_ms", 0, "rtcp", "off", "srtp", 0, "dtls", 0, "ice", 0, "symmetric", 0,
		"local_bridge", 0,
		"ssrc_tx", "ssrc_rx", "packets_tx", 0, "packets_rx", 0, "idle_s",
		"rtp_timeout_s", 0, "rtp_keepalive_s", 0);
}

void rtpstreams_row_json(struct ast_str **answer, const struct bridge_view *view,
	const struct leg *leg, const struct leg *peer)
{
	RAII_VAR(struct ast_json *, media, leg->rtp ? json_media(leg) : json_no_media(), ast_json_unref);
	RAII_VAR(struct ast_json *, row, NULL, ast_json_unref);

	row = ast_json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:b, s:b}",
		"channel", AST_JSON_UTF8_VALIDATE(leg->name),
		"channel_id", leg->id,
		"protocol_id", S_OR(AST_JSON_UTF8_VALIDATE(leg->protocol_id), NULL),
		"state", leg->state,
		"peer_id", peer ? peer->id : NULL,
		"bridge_id", view->id,
		"bridge_technology", view->technology,
		"bridge_channels", (int) view->channels,
		"glue", leg->glue,
		"video_glue", leg->video_glue,
		"format_tx", leg->format_tx ? ast_format_get_name(leg->format_tx) : "none",
		"format_rx", leg->format_rx ? ast_format_get_name(leg->format_rx) : "none",
		"formats", json_audio_formats(leg->formats),
		"hold", leg->hold,
		"audio_hook", leg->audio_hook,
		"dtmf_hooks", leg->dtmf_hooks,
		"generator", leg->generator,
		"t38", leg->t38);
	if (!row || !media || ast_json_object_update(row, media)) {
		ast_log(LOG_ERROR, "No row for channel %s: no memory, or an id that is not UTF-8\n", leg->name);
		return;
	}
	ast_json_dump_str(row, answer);
	ast_str_append(answer, 0, "\n");
}

static void append_address(struct ast_str **answer, struct ast_rtp_instance *rtp,
	address_getter get, char end)
{
	struct ast_sockaddr address;
	const char *text = "-";

	get(rtp, &address);
	if (!ast_sockaddr_isnull(&address)) {
		/* In a thread-local buffer that the next call overwrites. */
		text = ast_sockaddr_stringify(&address);
	}
	ast_str_append(answer, 0, "%s%c", text, end);
}

void rtpstreams_row_plain(struct ast_str **answer, const struct bridge_view *view attribute_unused,
	const struct leg *leg, const struct leg *peer)
{
	if (!leg->rtp || !peer || !peer->rtp) {
		return;
	}
	append_address(answer, leg->rtp, ast_rtp_instance_get_local_address, ' ');
	append_address(answer, leg->rtp, ast_rtp_instance_get_incoming_source_address, ' ');
	append_address(answer, peer->rtp, ast_rtp_instance_get_local_address, ' ');
	append_address(answer, peer->rtp, ast_rtp_instance_get_incoming_source_address, '\n');
}
