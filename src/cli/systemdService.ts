/** What systemd is told of a mount that runs as a service of Type=notify. Source: sd_notify(3). */
import { loadNative } from "../fuse/kernel/native.ts";
import { log } from "../log.ts";
import type { Mounted } from "../mount/serveMount.ts";
import { endings } from "./endings.ts";
import { onOneLine } from "./text.ts";

/** How often the state is looked at; it is told only when it has changed. */
const lookMs = 1000;

/** Of two signs of life. */
const shortestMs = 50;

export interface SystemdService {
	/** Nothing is told any more. */
	end(): void;
}

/**
 * Tells that a mount is ready, from then on how it is, and at a signal that it is about to end;
 * undefined outside of systemd.
 */
export async function startSystemdService(
	mounted: Mounted,
): Promise<SystemdService | undefined> {
	const { NOTIFY_SOCKET: path } = process.env;
	if (!path) return undefined;
	const native = await loadNative().catch((error) => log.cli("%O", error));
	const notify = (...lines: readonly string[]): boolean => {
		const isTold = native?.sendDatagram(path, lines.join("\n")) ?? false;
		if (!isTold) log.cli("systemd is not told: error %d", native?.errno());
		return isTold;
	};
	/** Undefined until it is told that the mount is ready: the socket may be full. */
	let told: string | undefined;
	const tell = () => {
		const state = mounted.state();
		const ready = told === undefined ? ["READY=1"] : [];
		if (state !== told && notify(...ready, `STATUS=${onOneLine(state)}`))
			told = state;
	};
	tell();
	const look = setInterval(tell, lookMs);
	const watchdogMs = watchdogInterval();
	const watchdog = watchdogMs
		? setInterval(() => notify("WATCHDOG=1"), watchdogMs)
		: undefined;
	for (const timer of [look, watchdog]) timer?.unref();
	const stopping = () => notify("STOPPING=1");
	for (const signal of endings) process.on(signal, stopping);
	return {
		end() {
			for (const signal of endings) process.off(signal, stopping);
			clearInterval(look);
			clearInterval(watchdog);
		},
	};
}

/** Twice within the time after which systemd takes this process for hung; undefined if it does not. */
function watchdogInterval(): number | undefined {
	const { WATCHDOG_USEC, WATCHDOG_PID = `${process.pid}` } = process.env;
	const ms = Number(WATCHDOG_USEC) / 2000;
	const isMeant = ms > 0 && ms < 2 ** 31 && WATCHDOG_PID === `${process.pid}`;
	return isMeant ? Math.max(ms, shortestMs) : undefined;
}
