/* What every fuzz target includes. A target is tests/fuzz/fuzz_NAME.c with one function; its corpus is tests/fuzz/corpus/NAME/.
 *
 * `make fuzz` links it with libFuzzer; every other variant links it with replay.c, so that the ordinary test run goes through the corpus.
 * A target must be deterministic, free all it takes, and abort (assert) when an invariant does not hold. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
