/** A FileSystem through the kernel's own protocol. */
import type { FileSystem } from "../../vfs/fileSystem.ts";
import type { Backend, MountOptions } from "../backend.ts";
import { openMount } from "./descriptor.ts";
import { loadNative } from "./native.ts";
import { KernelSession } from "./session.ts";

/**
 * Mounts a file system. The directory has been checked.
 *
 * @param onUnmounted called when nothing is mounted any more, for whatever reason
 * @throws MountError
 */
export async function mountKernel(
	fs: FileSystem,
	mountpoint: string,
	options: MountOptions,
	onUnmounted: () => void,
): Promise<Backend> {
	const native = await loadNative();
	const fd = await openMount(native, mountpoint, options);
	const session = new KernelSession(native, fd, fs, options, () => {
		process.off("exit", atExit);
		onUnmounted();
	});
	// Whoever still waits must not keep a thread of ours waiting.
	const atExit = () => session.refuseAll();
	process.once("exit", atExit);
	await session.ready;
	return {
		invalidate: (path) => session.withdraw(namesIn(path)),
		invalidateAll: (path = "/") => session.withdrawAll(namesIn(path)),
		async unmount() {
			await session.close();
			process.off("exit", atExit);
		},
	};
}

function namesIn(path: string): readonly string[] {
	return path.split("/").filter((name) => name !== "");
}
