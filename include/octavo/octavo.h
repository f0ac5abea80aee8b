#pragma once

// Octavo for C++ users: everything under include/octavo, nothing else. No third-party type appears
// here.
//
//   load_model (src/model)       a directory in Hugging Face layout -> Model: spec, weights,
//   kernels Tokenizer, Detokenizer      text <-> token ids, whole or as they come Engine many
//   requests over one Model: submit(Request) -> Events quantize                    a checkpoint ->
//   a smaller one, with a report measure_perplexity, ...     what a model is worth, alone or
//   against another Error                       thrown while loading, quantizing and parsing
//   arguments; a request's
//                               own trouble comes as an Event with Finish::rejected
//
// A Model is immutable and may be shared between threads; an Engine may be called from any thread;
// the rest says so where it is declared.

#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"
#include "octavo/quantize.h"
#include "octavo/tokenizer.h"
#include "octavo/tokens.h"
