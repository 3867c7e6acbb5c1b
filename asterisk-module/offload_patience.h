/*
 * offload_patience: how long callers wait for the Stasis application.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#ifndef OFFLOAD_PATIENCE_H
#define OFFLOAD_PATIENCE_H

#include "asterisk/channel.h"

#include "offload_dial.h"

/*! Start the thread that looks after callers who wait; return -1 if that fails. */
int patience_init(void);

/*! End it. Nobody may be waiting. */
void patience_destroy(void);

/*!
 * Whether a caller may be handed to the application. It may not while others have waited in vain and one waits: count it, and
 * say so in its variables.
 */
int patience_admits(struct ast_channel *caller);

/*! Give the application its time to begin with a caller. */
void patience_begin(struct dial *dial);

/*! Return ms of a clock that nobody steps. */
int64_t patience_now(void);

/*! The application has begun with a caller, after so many ms. */
void patience_note_begun(int64_t ms);

/*! A caller was taken back: count it, and say so in its variables. */
void patience_note(struct ast_channel *caller);

#endif
