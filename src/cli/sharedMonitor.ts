/** Lets others use the monitor that a command holds for long. */
import { rmSync } from "node:fs";
import { log } from "../log.ts";
import type { Machine } from "../machine/machine.ts";
import { isShared, sharePath } from "../share/place.ts";
import { ShareServer } from "../share/shareServer.ts";
import { endings } from "./endings.ts";

/** Nothing is shared if the machine has a monitor of its own, or uses a shared one itself. */
export async function shareMonitor(
	machine: Machine,
): Promise<ShareServer | undefined> {
	const { address, hasOwnMonitor } = machine;
	if (hasOwnMonitor || isShared(address)) return undefined;
	try {
		const server = await ShareServer.listen(machine, {
			path: await sharePath(address),
			isOpenToAll: false,
			isReadOnly: false,
		});
		for (const signal of endings)
			process.once(signal, () => {
				rmSync(server.path, { force: true });
				// It ends as it would have without this listener, unless somebody else sees to that.
				if (process.listenerCount(signal) === 0)
					process.kill(process.pid, signal);
			});
		return server;
	} catch (error) {
		log.cli("the monitor is not shared: %O", error);
		return undefined;
	}
}
