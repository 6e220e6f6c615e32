/** How a session begins: the connection, the greeting, the negotiation. */
import { DisconnectedError, ProtocolError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { log } from "../log.ts";
import { type Address, formatAddress } from "./address.ts";
import { type Greeting, readMessage } from "./messages.ts";
import { QmpSession, type SessionOptions } from "./session.ts";
import { openTransport, type Transport } from "./transport.ts";
import { isPassage, type Way } from "./way.ts";

const connectTimeoutMsDefault = 3000;

/**
 * Connects, waits for the greeting and negotiates, unless told not to.
 *
 * @throws ConnectError nothing listens there, or it does not speak QMP
 * @throws BusyError another client holds the monitor
 * @throws TimeoutError the host does not answer, or QEMU does not answer the negotiation
 * @throws DisconnectedError, CommandError the negotiation failed
 */
export async function connectSession(
	way: Way,
	options: SessionOptions = {},
): Promise<QmpSession> {
	const { connectTimeoutMs = connectTimeoutMsDefault } = options;
	const startMs = performance.now();
	const transport = await (isPassage(way)
		? way.connect(connectTimeoutMs)
		: openTransport(way, connectTimeoutMs));
	return beginSession(transport, isPassage(way) ? way.address : way, {
		...options,
		connectTimeoutMs: timeLeft(connectTimeoutMs, startMs),
	});
}

/** Of one limit for all of it; it begins anew if somebody had to answer ssh's questions meanwhile. */
function timeLeft(limitMs: number, startMs: number): number {
	const leftMs = limitMs - (performance.now() - startMs);
	return leftMs > 0 ? leftMs : limitMs;
}

/**
 * The same on a connection that is there already.
 *
 * @param address of the monitor, for messages
 * @throws as {@link connectSession} does; the connection is closed then
 */
export async function beginSession(
	transport: Transport,
	address: Address,
	options: SessionOptions,
): Promise<QmpSession> {
	const { connectTimeoutMs = connectTimeoutMsDefault } = options;
	const { timeoutMs = 10_000, negotiate: negotiates = true } = options;
	const startMs = performance.now();
	try {
		const greeting = await receiveGreeting(
			transport,
			address,
			connectTimeoutMs,
		);
		const session = new QmpSession(
			transport,
			greeting,
			timeoutMs,
			options.onTraffic,
		);
		if (negotiates) await negotiate(session, options, startMs);
		return session;
	} catch (error) {
		transport.close();
		throw error;
	}
}

/**
 * Negotiates on a session that has not. What is asked meanwhile costs no further round trip.
 *
 * @param startMs when connecting began, for there is one limit for all of it
 * @throws TimeoutError, DisconnectedError, CommandError
 */
export async function negotiate(
	session: QmpSession,
	{ connectTimeoutMs = connectTimeoutMsDefault }: SessionOptions,
	startMs: number,
): Promise<void> {
	const timeoutMs = timeLeft(connectTimeoutMs, startMs);
	await session.execute("qmp_capabilities", undefined, { timeoutMs });
}

/** For people: who shares a monitor has none to share. */
export function notConnected(address: Address): string {
	return `${formatAddress(address)} is held by a mount that has no connection to QEMU now; 'qomfs status' tells why`;
}

/** QEMU greets at once. After so long it is time to ask why it does not. */
const silenceMs = 50;

function receiveGreeting(
	transport: Transport,
	address: Address,
	timeoutMs: number,
): Promise<Greeting> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(
			async () => reject(await transport.explainSilence(timeoutMs)),
			timeoutMs,
		);
		const firstTimer = setTimeout(async () => {
			const reason = await transport.explainLasting(timeoutMs);
			if (reason) reject(reason);
		}, silenceMs);
		const stopWaiting = () => {
			clearTimeout(timer);
			clearTimeout(firstTimer);
		};
		transport.onMessage = (text) => {
			stopWaiting();
			try {
				const message = readMessage(parseJson(text));
				if (message.kind === "greeting") return resolve(message);
			} catch (cause) {
				log.receive("no greeting: %s", cause);
			}
			reject(
				new ProtocolError(
					`${formatAddress(address)} does not greet as QMP: ${JSON.stringify(text.slice(0, 80))}; give the address of a -qmp monitor`,
				),
			);
		};
		transport.onClose = async (reason) => {
			stopWaiting();
			const explained = await transport.explainEnd();
			if (explained) return reject(explained);
			// The one client may be leaving this very moment, or QEMU is shutting down.
			if (address.kind === "unix" && address.named !== undefined)
				return reject(
					new DisconnectedError(notConnected(address), { cause: reason }),
				);
			reject(
				reason instanceof ProtocolError
					? reason
					: new ProtocolError(
							`${reason.message} before it greeted; is it a QMP monitor, and QEMU not about to end?`,
							{
								cause: reason,
							},
						),
			);
		};
	});
}
