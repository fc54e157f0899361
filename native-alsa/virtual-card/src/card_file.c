#define _GNU_SOURCE
#include "card_file.h"

#include <alsa/asoundlib.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "card_clock.h"

#define HEADER_ALIGN 4096u
#define OPEN_TRIES 16
#define LOCKED_PLUGS (1u << 20)
#define DEFAULT_EIO_MS 10000u
#define LOCK_POLL_MS 2
#define HANG_POLL_NS 10000000L

bool card_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > CARD_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return true;
}

bool card_format_is_known(uint32_t format)
{
	return format == SND_PCM_FORMAT_S16_LE || format == SND_PCM_FORMAT_S24_LE ||
	       format == SND_PCM_FORMAT_S24_3LE || format == SND_PCM_FORMAT_S32_LE ||
	       format == SND_PCM_FORMAT_FLOAT_LE;
}

/* The folder is for its owner only: whoever can write a card can crash who maps it. */
static int card_folder(char *folder, size_t size)
{
	const char *given = getenv("KVM_AUDIO_CARD_DIR");
	int length;

	if (given && *given)
		length = snprintf(folder, size, "%s", given);
	else
		length = snprintf(folder, size, "/dev/shm/kvm-audio-cards-%u", (unsigned)getuid());
	if (length < 0 || (size_t)length >= size)
		return -ENAMETOOLONG;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int card_path(char *path, size_t size, const char *name)
{
	char folder[200];
	int err = card_folder(folder, sizeof(folder));

	if (err < 0)
		return err;
	snprintf(path, size, "%s/%s.card", folder, name);
	return 0;
}

static void read_boot_id(char *id, size_t size)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	memset(id, 0, size);
	if (!file)
		return;
	if (!fgets(id, (int)size, file))
		id[0] = 0;
	id[strcspn(id, "\n")] = 0;
	fclose(file);
}

static uint32_t ring_frames_for(uint32_t rate_hz)
{
	uint32_t frames = 1;

	while (frames < rate_hz * CARD_RING_SECONDS)
		frames *= 2;
	return frames;
}

static size_t card_bytes(const struct card_header *header)
{
	return header->header_bytes + (size_t)header->ring_frames * header->frame_bytes;
}

static void fill_header(struct card_header *header, const struct card_shape *shape)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->magic, CARD_MAGIC, sizeof(CARD_MAGIC));
	header->version = CARD_VERSION;
	header->header_bytes = (sizeof(*header) + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
	header->ring_frames = ring_frames_for(shape->rate_hz);
	header->frame_bytes = shape->channels * shape->sample_bytes;
	header->channels = shape->channels;
	header->format = shape->format;
	read_boot_id(header->boot_id, sizeof(header->boot_id));
	atomic_store(&header->halted_eio_ms, DEFAULT_EIO_MS);
	atomic_store(&header->offered_rate_hz, shape->rate_hz);
	card_clock_init(&header->clock, shape->rate_hz, monotonic_ns());
}

/* Made under another name and linked when complete, so that nobody sees half a card. */
static int card_make(const char *path, const struct card_shape *shape)
{
	static _Atomic uint32_t made;
	struct card_header *header = calloc(1, sizeof(*header));
	char temporary[300];
	int fd = -1;
	int err = 0;

	if (!header)
		return -ENOMEM;
	fill_header(header, shape);
	snprintf(temporary, sizeof(temporary), "%s.new-%d-%u", path, (int)getpid(),
		 atomic_fetch_add(&made, 1));
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)card_bytes(header)) < 0)
		err = -errno;
	else if (pwrite(fd, header, sizeof(*header), 0) != (ssize_t)sizeof(*header))
		err = -EIO;
	else if (link(temporary, path) < 0 && errno != EEXIST)
		err = -errno;
	if (fd >= 0) {
		close(fd);
		unlink(temporary);
	}
	free(header);
	return err;
}

/* Is this file a card of ours, whole, and of this boot? -ESTALE: of an earlier boot. */
static int check_header(const struct card_header *header, size_t file_bytes)
{
	char boot_id[sizeof(header->boot_id)];

	if (memcmp(header->magic, CARD_MAGIC, sizeof(CARD_MAGIC)) != 0 ||
	    header->version != CARD_VERSION || header->header_bytes < sizeof(*header) ||
	    header->ring_frames == 0 || (header->ring_frames & (header->ring_frames - 1)) ||
	    header->channels == 0 || header->channels > CARD_CHANNELS_MAX ||
	    header->frame_bytes == 0 || file_bytes < card_bytes(header))
		return -EINVAL;
	read_boot_id(boot_id, sizeof(boot_id));
	return memcmp(boot_id, header->boot_id, sizeof(boot_id)) == 0 ? 0 : -ESTALE;
}

static int card_map(struct card *card)
{
	struct card_header header;
	struct stat status;
	int err;
	void *mapped;

	if (fstat(card->fd, &status) < 0)
		return -errno;
	if (pread(card->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return -EINVAL;
	err = check_header(&header, (size_t)status.st_size);
	if (err < 0)
		return err;
	card->mapped_bytes = card_bytes(&header);
	mapped = mmap(NULL, card->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, card->fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	card->header = mapped;
	card->ring = (uint8_t *)mapped + header.header_bytes;
	return 0;
}

/* Between opening and looking, `remove` may have unlinked the file: then it is not the card. */
static bool is_unlinked(int fd)
{
	struct stat status;

	return fstat(fd, &status) < 0 || status.st_nlink == 0;
}

int card_open(struct card *card, const char *name, const struct card_shape *shape)
{
	int err;

	memset(card, 0, sizeof(*card));
	card->fd = -1;
	if (!card_name_is_valid(name))
		return -EINVAL;
	err = card_path(card->path, sizeof(card->path), name);
	for (int tries = 0; err >= 0 && tries < OPEN_TRIES; tries++) {
		card->fd = open(card->path, O_RDWR | O_CLOEXEC);
		if (card->fd < 0 && errno == ENOENT && shape) {
			err = card_make(card->path, shape);
			continue;
		}
		if (card->fd < 0)
			return -errno;
		err = card_map(card);
		if (err == 0 && !is_unlinked(card->fd))
			return 0;
		if (err == -ESTALE) {
			unlink(card->path);
			err = 0;
		}
		card_close(card);
	}
	return err < 0 ? err : -EAGAIN;
}

void card_close(struct card *card)
{
	if (card->header)
		munmap(card->header, card->mapped_bytes);
	if (card->fd >= 0)
		close(card->fd);
	card->header = NULL;
	card->ring = NULL;
	card->fd = -1;
}

static struct flock lock_range(off_t start, off_t length)
{
	return (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

/* Byte 0 is the command's; each plugging in of the card has two bytes of its own. */
static struct flock side_range(enum card_side side, uint32_t plug)
{
	return lock_range(1 + (off_t)(plug % LOCKED_PLUGS) * CARD_SIDES + side, 1);
}

static int take_lock(const struct card *card, struct flock range)
{
	if (fcntl(card->fd, F_OFD_SETLK, &range) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

int card_lock_side(const struct card *card, enum card_side side, uint32_t plug)
{
	return take_lock(card, side_range(side, plug));
}

bool card_side_is_held(const struct card *card, enum card_side side, uint32_t plug)
{
	struct flock range = side_range(side, plug);

	return fcntl(card->fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

int card_lock_command(const struct card *card, int wait_ms)
{
	const struct timespec pause = {0, LOCK_POLL_MS * 1000000L};
	int err = take_lock(card, lock_range(0, 1));

	for (int waited_ms = 0; err == -EBUSY && waited_ms < wait_ms; waited_ms += LOCK_POLL_MS) {
		nanosleep(&pause, NULL);
		err = take_lock(card, lock_range(0, 1));
	}
	return err;
}

void card_unlock_command(const struct card *card)
{
	struct flock range = lock_range(0, 1);

	range.l_type = F_UNLCK;
	fcntl(card->fd, F_OFD_SETLK, &range);
}

int card_lock_whole(const struct card *card)
{
	return take_lock(card, lock_range(0, 1 + (off_t)LOCKED_PLUGS * CARD_SIDES));
}

void card_wake(const struct card *card)
{
	futimens(card->fd, NULL);
}

void card_hang_point(const struct card *card)
{
	const struct timespec pause = {0, HANG_POLL_NS};

	while (atomic_load(&card->header->hang))
		nanosleep(&pause, NULL);
}

int card_remove(struct card *card)
{
	return unlink(card->path) < 0 ? -errno : 0;
}
