import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
	ConnectError,
	DisconnectedError,
	ProtocolError,
	type QomfsError,
} from "../../src/errors.ts";
import { Connection } from "../../src/qmp/connection.ts";
import type { QmpEvent } from "../../src/qmp/messages.ts";
import type { QmpSession } from "../../src/qmp/session.ts";
import { type FakeTransport, fakeSession } from "../support/fakeTransport.ts";

beforeEach(() => {
	vi.useFakeTimers();
});

afterEach(() => {
	vi.useRealTimers();
});

const refusal = new ConnectError("nobody there");

/** A connection to a machine that a test starts and ends. */
function start({
	reconnects = true,
	delayMs = undefined as number | undefined,
} = {}) {
	const state = {
		/** When connecting was tried. */
		attempts: [] as number[],
		transports: [] as FakeTransport[],
		told: [] as string[],
		isUp: true,
		/** What setting a session up has to wait for. */
		setUp: Promise.resolve() as Promise<void>,
		/** What it gives to be used in its place. */
		replacement: undefined as QmpSession | undefined,
	};
	const connection = new Connection({
		connect: async () => {
			state.attempts.push(Date.now());
			if (!state.isUp) throw refusal;
			const { transport, session } = fakeSession();
			state.transports.push(transport);
			return session;
		},
		setUp: async () => {
			state.told.push("connected");
			await state.setUp;
			return state.replacement;
		},
		reconnects,
		...(delayMs !== undefined && { delayMs: () => delayMs }),
	});
	connection.subscribe({
		onLost: (reason: QomfsError) => {
			state.told.push(`lost: ${reason.message}`);
		},
		onEvent: ({ name }: QmpEvent) => {
			state.told.push(name);
		},
	});
	return { connection, state };
}

const gone = new DisconnectedError("QEMU has gone");

async function failureOf(promise: Promise<unknown>): Promise<Error> {
	const [outcome] = await Promise.allSettled([promise]);
	if (outcome.status === "fulfilled") throw new Error("it did not fail");
	return outcome.reason;
}

describe("a connection", () => {
	it("fails everything at once before it is open", async () => {
		const { connection, state } = start();
		expect(await failureOf(connection.execute("x"))).toBeInstanceOf(
			DisconnectedError,
		);
		expect(state.attempts).toEqual([]);
	});

	it("tells why it cannot open, and does not try again by itself", async () => {
		const { connection, state } = start();
		state.isUp = false;
		expect(await failureOf(connection.open())).toBe(refusal);
		await vi.advanceTimersByTimeAsync(60_000);
		expect(state.attempts).toHaveLength(1);
	});

	it("fails what is in flight when the session ends, with the reason, and repeats nothing", async () => {
		const { connection, state } = start();
		await connection.open();
		const failures = [1, 2, 3].map(() => failureOf(connection.execute("x")));
		state.transports[0]?.end(gone);
		for (const failure of await Promise.all(failures))
			expect(failure).toBe(gone);
		await vi.advanceTimersByTimeAsync(10_000);
		expect(connection.session).toBeDefined();
		expect(state.transports).toHaveLength(2);
		expect(state.transports[1]?.sent).toEqual([]);
		expect(state.told).toEqual([
			...["connected", "lost: QEMU has gone", "connected"],
		]);
	});

	it("uses the session that setting up gives in place of the first, and leaves that", async () => {
		const { connection, state } = start();
		const own = fakeSession();
		state.replacement = own.session;
		await connection.open();
		const [given] = state.transports;
		expect(given?.isOpen).toBe(false);
		expect(connection.session).toBe(own.session);
		for (const transport of [own.transport, given])
			transport?.receive({ event: "STOP", timestamp: {} });
		connection.execute("x").catch(() => {});
		expect(own.transport.sent).toMatchObject([{ execute: "x" }]);
		own.transport.end(gone);
		await vi.advanceTimersByTimeAsync(0);
		expect(state.told).toEqual(["connected", "STOP", "lost: QEMU has gone"]);
	});

	it("fails with a DisconnectedError when the session ended for another reason", async () => {
		const { connection, state } = start();
		await connection.open();
		state.isUp = false;
		state.transports[0]?.end(new ProtocolError("that was no QMP"));
		await vi.advanceTimersByTimeAsync(0);
		const failure = await failureOf(connection.execute("x"));
		expect(failure).toBeInstanceOf(DisconnectedError);
		expect(failure.message).toBe("that was no QMP");
		expect(connection.reason).toBe(failure);
	});

	it("fails at once while it reconnects, with the last reason", async () => {
		const { connection, state } = start();
		await connection.open();
		state.isUp = false;
		state.transports[0]?.end(gone);
		await vi.advanceTimersByTimeAsync(1000);
		const failure = await failureOf(connection.execute("x"));
		expect(failure).toBeInstanceOf(DisconnectedError);
		expect(failure.message).toBe("nobody there");
	});

	it("backs off: ever longer up to 5 s, with jitter", async () => {
		const delays: number[][] = [];
		for (let round = 0; round < 20; round++) {
			const { connection, state } = start();
			await connection.open();
			state.isUp = false;
			const startMs = Date.now();
			state.transports[0]?.end(gone);
			await vi.advanceTimersByTimeAsync(40_000);
			const times = [startMs, ...state.attempts.slice(1)];
			delays.push(
				times.slice(1).map((time, index) => time - (times[index] ?? 0)),
			);
			await connection.close();
		}
		for (const row of delays) {
			expect(row[0]).toBeLessThanOrEqual(200);
			expect(Math.max(...row)).toBeLessThanOrEqual(5000);
			expect(row.at(-1)).toBeGreaterThan(2500);
			// Each is longer than the one before, as far as the jitter allows.
			for (const [index, delay] of row.slice(1, 6).entries())
				expect(delay).toBeGreaterThan((row[index] ?? 0) * 1.2);
			expect(row.length).toBeLessThan(20);
		}
		for (const attempt of [0, 3, 6])
			expect(new Set(delays.map((row) => row[attempt])).size).toBeGreaterThan(
				3,
			);
	});

	it("backs off from a peer that takes it and drops it again, too", async () => {
		const { connection, state } = start();
		await connection.open();
		for (let second = 0; second < 60 * 20; second++) {
			state.transports.at(-1)?.end(gone);
			await vi.advanceTimersByTimeAsync(50);
		}
		// A minute of it: with back-off, no more than some dozens.
		expect(state.attempts.length).toBeLessThan(60);
		await connection.close();
	});

	it("connects later, when told so", async () => {
		const { connection, state } = start({ delayMs: 10 });
		state.isUp = false;
		connection.openLater();
		await vi.advanceTimersByTimeAsync(100);
		expect(connection.session).toBeUndefined();
		expect(connection.reason.message).toBe("nobody there");
		state.isUp = true;
		await vi.advanceTimersByTimeAsync(20);
		expect(connection.session).toBeDefined();
		expect(state.told).toEqual(["connected"]);
	});

	it("stays lost where it must not reconnect", async () => {
		const { connection, state } = start({ reconnects: false });
		await connection.open();
		state.transports[0]?.end(gone);
		await vi.advanceTimersByTimeAsync(60_000);
		expect(state.attempts).toHaveLength(1);
		expect(state.told).toEqual(["connected", "lost: QEMU has gone"]);
	});

	it("passes events on, of every session", async () => {
		const { connection, state } = start({ delayMs: 10 });
		await connection.open();
		state.transports[0]?.receive({ event: "STOP" });
		state.transports[0]?.end(gone);
		await vi.advanceTimersByTimeAsync(20);
		state.transports[1]?.receive({ event: "RESUME" });
		expect(state.told).toEqual([
			...["connected", "STOP", "lost: QEMU has gone", "connected", "RESUME"],
		]);
	});

	it("counts all sessions together", async () => {
		const { connection, state } = start({ delayMs: 10 });
		await connection.open();
		connection.execute("x").catch(() => {});
		state.transports[0]?.end(gone);
		await vi.advanceTimersByTimeAsync(20);
		connection.execute("y").catch(() => {});
		expect(connection.counters.commands).toBe(2);
	});
});

describe("closing a connection", () => {
	it("ends the session, and nothing is tried any more", async () => {
		const { connection, state } = start();
		await connection.open();
		await connection.close();
		await vi.advanceTimersByTimeAsync(60_000);
		expect(state.attempts).toHaveLength(1);
		expect(state.told).toEqual(["connected"]);
		expect(vi.getTimerCount()).toBe(0);
	});

	it("while it waits to try again ends the waiting", async () => {
		const { connection, state } = start();
		await connection.open();
		state.isUp = false;
		state.transports[0]?.end(gone);
		await vi.advanceTimersByTimeAsync(1000);
		const tried = state.attempts.length;
		await connection.close();
		await vi.advanceTimersByTimeAsync(60_000);
		expect(state.attempts).toHaveLength(tried);
		expect(vi.getTimerCount()).toBe(0);
	});

	it("while a session is set up ends that session, too", async () => {
		const { connection, state } = start({ delayMs: 10 });
		const setUp = Promise.withResolvers<void>();
		state.setUp = setUp.promise;
		connection.openLater();
		await vi.advanceTimersByTimeAsync(20);
		expect(state.told).toEqual(["connected"]);
		await connection.close();
		setUp.resolve();
		await vi.advanceTimersByTimeAsync(1000);
		expect(state.transports[0]?.isOpen).toBe(false);
		expect(state.attempts).toHaveLength(1);
	});

	it("drops a session whose set-up failed, and tries again", async () => {
		const { connection, state } = start({ delayMs: 10 });
		state.setUp = Promise.reject(refusal);
		state.setUp.catch(() => {});
		connection.openLater();
		await vi.advanceTimersByTimeAsync(15);
		expect(state.transports[0]?.isOpen).toBe(false);
		state.setUp = Promise.resolve();
		await vi.advanceTimersByTimeAsync(15);
		expect(connection.session).toBeDefined();
		expect(state.transports).toHaveLength(2);
	});
});
