/* virtual-card-test --list | CASE: one case per process, each with a card folder of its own. */
#include <libgen.h>

#include "harness.h"

static const struct test_case *const groups[] = {stream_cases, sound_cases, fault_cases,
						 unplug_cases, pitch_cases, hold_cases};

int main(int argc, char **argv)
{
	bool list = argc == 2 && strcmp(argv[1], "--list") == 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s --list | CASE\n", basename(argv[0]));
		return 2;
	}
	for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
		for (const struct test_case *one = groups[group]; one->name; one++) {
			if (list) {
				puts(one->name);
			} else if (strcmp(one->name, argv[1]) == 0) {
				one->run();
				snd_config_update_free_global();
				return 0;
			}
		}
	}
	if (!list)
		fprintf(stderr, "no case \"%s\"\n", argv[1]);
	return list ? 0 : 2;
}
