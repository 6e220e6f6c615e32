/** One connection to one machine, for whoever asks it something and leaves again. */
import { parseAddress } from "../qmp/address.ts";
import {
	connectSession,
	type QmpSession,
	type SessionOptions,
} from "../qmp/session.ts";
import { LiveSource } from "../qom/live.ts";

/** A machine at the other end of one QMP session. Once that has ended, connect anew. */
export class Machine implements AsyncDisposable {
	/** Commands and events. */
	readonly session: QmpSession;
	/** Objects and properties. */
	readonly qom: LiveSource;

	/** Use {@link connect}. */
	constructor(session: QmpSession) {
		this.session = session;
		this.qom = new LiveSource(session);
	}

	/** Leaves the monitor to the next client. */
	close(): Promise<void> {
		return this.session.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}

/**
 * Connects to a monitor: `/path/to/qmp.sock`, `unix:PATH`, `HOST:PORT`, `tcp:HOST:PORT`.
 * QEMU serves one client per monitor, so close it soon.
 *
 * @throws UsageError no address; ConnectError nobody there; BusyError the monitor is taken;
 * TimeoutError no answer in time
 */
export async function connect(
	source: string,
	options?: SessionOptions,
): Promise<Machine> {
	const machine = new Machine(
		await connectSession(parseAddress(source), options),
	);
	try {
		await machine.qom.probe(machine.session);
	} catch (error) {
		await machine.close();
		throw error;
	}
	return machine;
}
