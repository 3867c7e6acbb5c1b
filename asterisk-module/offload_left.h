/*
 * offload_left: calls that OffloadDial() leaves to Dial().
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#ifndef OFFLOAD_LEFT_H
#define OFFLOAD_LEFT_H

#include "asterisk/channel.h"

/*!
 * Why a call is left to Dial(): the application does not keep up; the call's DTMF features need a bridge of Dial(); the application
 * is not there; the caller has no PBX.
 */
enum left_reason {
	LEFT_OVERLOAD,
	LEFT_FEATURES,
	LEFT_AWAY,
	LEFT_NO_PBX,
	LEFT_REASONS,
};

/*! Publish that none was left. */
void left_init(void);

/*! A call is left to Dial(): say why on its channel, and count it. */
void left_note(struct ast_channel *caller, enum left_reason reason);

#endif
