/**
 * Records what this kernel asks for, while a shell works on a small tree in memory, and what it is
 * answered: `node tools/recordRequests.ts > test/fixtures/kernel-VERSION.txt`, as root. A line is
 * `<` for a request or `>` for an answer, and its bytes in hex; a request's pid is not kept.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { inHeader, outHeader } from "../src/fuse/kernel/abi.ts";
import { openMount } from "../src/fuse/kernel/descriptor.ts";
import { loadNative, type Native } from "../src/fuse/kernel/native.ts";
import { KernelSession } from "../src/fuse/kernel/session.ts";
import { FileSystem } from "../src/vfs/fileSystem.ts";
import { smallRoot } from "../test/support/smallTree.ts";
import { memoryMountOptions } from "./bench/memoryNodes.ts";

const script = `
	ls -la "$M" "$M/below"; cat "$M/one" "$M/below/three"; find "$M"; stat -f "$M"
	readlink "$M/link"; cat "$M/link/three"; ls "$M/none"; cat "$M/none"
	echo 7 > "$M/one"; echo 8 >> "$M/two"; mkdir "$M/new"; rm "$M/one"; mv "$M/one" "$M/uno"
	ln "$M/one" "$M/link2"; chmod 600 "$M/one"; touch "$M/one"; touch "$M/new"
	getfattr -d "$M/one"; setfattr -n user.a -v b "$M/one"; truncate -s 0 "$M/one"
	dd if="$M/two" bs=1 skip=1 count=1; tail -c 2 "$M/two"; cp "$M/two" /dev/null
	mkfifo "$M/fifo"; rmdir "$M/below"; tar -C "$M" -cf - . | cat > /dev/null
`;

const native = await loadNative();
const recording: Native = {
	...native,
	read(fd, buffer, length) {
		const got = native.read(fd, buffer, length);
		if (got > 0) {
			const request = Buffer.from(buffer.subarray(0, got));
			request.writeUInt32LE(0, inHeader.pid);
			console.log(`< ${request.toString("hex")}`);
		}
		return got;
	},
	write(fd, buffer, length) {
		const isAnswer = buffer.readBigUInt64LE(outHeader.unique) !== 0n;
		if (isAnswer)
			console.log(`> ${buffer.subarray(0, length).toString("hex")}`);
		return native.write(fd, buffer, length);
	},
};

console.log(
	`# Linux ${release().split("-")[0]}, recorded by tools/recordRequests.ts`,
);
const mountpoint = mkdtempSync(join(tmpdir(), "qomfs-record-"));
const ended = Promise.withResolvers<void>();
const session = new KernelSession(
	recording,
	await openMount(native, mountpoint, memoryMountOptions),
	new FileSystem(smallRoot()),
	memoryMountOptions,
	ended.resolve,
);
await session.ready;
const run = promisify(execFile);
await run("sh", ["-c", script], {
	env: { ...process.env, M: mountpoint, LC_ALL: "C" },
	cwd: "/",
}).catch(() => {}); // much of it is refused
await run("umount", [mountpoint]);
await ended.promise;
rmdirSync(mountpoint);
