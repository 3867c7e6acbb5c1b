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

#ifndef RTPSTREAMS_ROW_H
#define RTPSTREAMS_ROW_H

#include "asterisk/strings.h"

#include "rtpstreams_leg.h"

/*! What a bridge looked like while its lock was held. */
struct bridge_view {
	const char *id;
	char technology[64];
	unsigned int channels;
};

/*!
 * \brief Append a row about \a leg to the answer, newline included
 *
 * To be called without any lock: it takes the lock of the RTP instance, and whoever holds that may be long.
 *
 * \param answer Grows as needed
 * \param view The bridge the leg is in
 * \param leg The channel the row is about
 * \param peer The other channel of the bridge, NULL unless there is exactly one
 */
typedef void (*rtpstreams_row)(struct ast_str **answer, const struct bridge_view *view,
	const struct leg *leg, const struct leg *peer);

/*! \brief LOCAL REMOTE PEER_LOCAL PEER_REMOTE, "-" for an address not set; no row unless both carry RTP */
void rtpstreams_row_plain(struct ast_str **answer, const struct bridge_view *view,
	const struct leg *leg, const struct leg *peer);

/*! \brief The JSON object that README.md documents field by field */
void rtpstreams_row_json(struct ast_str **answer, const struct bridge_view *view,
	const struct leg *leg, const struct leg *peer);

#endif
