/*
 * A tree of memoryTree.ts, served from memory through libfuse's low-level interface: what C needs
 * for the same requests. `memoryMount FILE MOUNTPOINT` prints `ready` when it is up, and unmounts
 * at SIGTERM. Built with `cc -O2 memoryMount.c $(pkg-config --cflags --libs fuse3)`.
 */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct node {
	char kind;
	char *name, *data;
	size_t length, count;
	struct node *parent, **children;
};

static struct node *root;

static const double lifetime = 0.1;

static void *allocate(void *old, size_t bytes)
{
	void *memory = realloc(old, bytes);
	if (!memory)
		exit(1);
	return memory;
}

static char *read_bytes(FILE *file, size_t length)
{
	char *bytes = allocate(NULL, length + 1);
	if (fread(bytes, 1, length, file) != length)
		exit(1);
	bytes[length] = 0;
	return bytes;
}

static void load(const char *path)
{
	struct node *ancestors[256] = {0};
	FILE *file = fopen(path, "r");
	char kind;
	size_t depth, name_length, length;

	if (!file)
		exit(1);
	while (fscanf(file, "%c %zu %zu %zu", &kind, &depth, &name_length, &length) == 4) {
		struct node *node = allocate(NULL, sizeof *node);
		struct node *parent = depth ? ancestors[depth - 1] : NULL;

		fgetc(file);
		*node = (struct node){ .kind = kind, .length = length, .parent = parent };
		node->name = read_bytes(file, name_length);
		node->data = read_bytes(file, length);
		fgetc(file);
		ancestors[depth] = node;
		if (!parent) {
			root = node;
			continue;
		}
		parent->children = allocate(parent->children,
			(parent->count + 1) * sizeof *parent->children);
		parent->children[parent->count++] = node;
	}
	fclose(file);
}

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? root : (struct node *)ino;
}

static fuse_ino_t number_of(struct node *node)
{
	return node == root ? FUSE_ROOT_ID : (fuse_ino_t)node;
}

static struct stat attributes_of(struct node *node)
{
	return (struct stat){
		.st_ino = number_of(node),
		.st_mode = node->kind == 'd' ? S_IFDIR | 0755
			: node->kind == 'l' ? S_IFLNK | 0777 : S_IFREG | 0644,
		.st_nlink = 1,
		.st_size = node->length,
		.st_blksize = 4096,
	};
}

static struct fuse_entry_param entry_of(struct node *node)
{
	return (struct fuse_entry_param){
		.ino = number_of(node),
		.attr = attributes_of(node),
		.attr_timeout = lifetime,
		.entry_timeout = lifetime,
	};
}

static void init(void *data, struct fuse_conn_info *connection)
{
	(void)data;
	connection->want &= ~FUSE_CAP_READDIRPLUS_AUTO;
}

static void lookup(fuse_req_t request, fuse_ino_t ino, const char *name)
{
	struct node *directory = node_of(ino);

	for (size_t index = 0; index < directory->count; index++)
		if (strcmp(directory->children[index]->name, name) == 0) {
			struct fuse_entry_param entry = entry_of(directory->children[index]);
			fuse_reply_entry(request, &entry);
			return;
		}
	fuse_reply_err(request, ENOENT);
}

static void get_attributes(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat attributes = attributes_of(node_of(ino));

	(void)info;
	fuse_reply_attr(request, &attributes, lifetime);
}

static void set_attributes(fuse_req_t request, fuse_ino_t ino, struct stat *wanted, int which, struct fuse_file_info *info)
{
	(void)wanted;
	(void)which;
	get_attributes(request, ino, info);
}

static void read_link(fuse_req_t request, fuse_ino_t ino)
{
	fuse_reply_readlink(request, node_of(ino)->data);
}

static void read_directory(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct node *directory = node_of(ino);
	char *buffer = allocate(NULL, size);
	size_t used = 0;

	(void)info;
	for (size_t index = offset; index < directory->count + 2; index++) {
		struct node *node = index < 2 ? directory : directory->children[index - 2];
		const char *name = index == 0 ? "." : index == 1 ? ".." : node->name;
		struct fuse_entry_param entry = entry_of(node);
		size_t needed;

		if (index < 2)
			entry.ino = 0;
		needed = fuse_add_direntry_plus(request, buffer + used, size - used, name, &entry, index + 1);
		if (needed > size - used)
			break;
		used += needed;
	}
	fuse_reply_buf(request, buffer, used);
	free(buffer);
}

static void open_file(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	info->direct_io = 1;
	info->noflush = 1;
	fuse_reply_open(request, info);
}

static void read_file(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct node *node = node_of(ino);
	size_t start = (size_t)offset < node->length ? (size_t)offset : node->length;
	size_t left = node->length - start;

	(void)info;
	fuse_reply_buf(request, node->data + start, left < size ? left : size);
}

static void write_file(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)ino;
	(void)bytes;
	(void)offset;
	(void)info;
	fuse_reply_write(request, size);
}

static void get_xattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size)
{
	(void)ino;
	(void)name;
	(void)size;
	fuse_reply_err(request, EOPNOTSUPP);
}

static const struct fuse_lowlevel_ops operations = {
	.init = init,
	.lookup = lookup,
	.getattr = get_attributes,
	.setattr = set_attributes,
	.readlink = read_link,
	.readdirplus = read_directory,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.getxattr = get_xattr,
};

int main(int argc, char **argv)
{
	char *options[] = { argv[0], "-osubtype=memory" };
	struct fuse_args args = FUSE_ARGS_INIT(2, options);
	struct fuse_session *session;

	if (argc != 3)
		return 2;
	load(argv[1]);
	session = fuse_session_new(&args, &operations, sizeof operations, NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[2]))
		return 1;
	puts("ready");
	fflush(stdout);
	fuse_session_loop(session);
	fuse_session_unmount(session);
	return 0;
}
