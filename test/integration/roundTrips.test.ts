/**
 * How often qomfs waits for QEMU before it asks for more, where a network lies between. Counted, for times say
 * nothing; and with a delay, for without one an answer may be there before the next question was sent.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DelayingProxy } from "../../tools/bench/delayingProxy.ts";
import { typicalMachine } from "../../tools/virtualMachine.ts";
import {
	lacksMount,
	lacksQemu,
	mountQomfs,
	runQomfs,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { RawQmp } from "../support/rawQmp.ts";

const roundTripMs = 50;

describe.skipIf(lacksQemu)("round trips to a machine far away", () => {
	let vm: TestMachine;
	let proxy: DelayingProxy;
	let socket: string;
	/** Whether QEMU gives whole objects, as it does from 10.1 on. */
	let givesValues: boolean;

	beforeAll(async () => {
		vm = await startTestMachine([...typicalMachine, "-S"]);
		const qmp = await RawQmp.connect(vm.secondSocket);
		const { qemu } = await qmp.execute("query-version");
		givesValues = qemu.major > 10 || (qemu.major === 10 && qemu.minor >= 1);
		qmp.close();
		socket = join(vm.directory, "far.sock");
		proxy = await DelayingProxy.listen(socket, vm.socket, roundTripMs);
	});

	afterAll(async () => {
		await proxy?.close();
		await vm?.stop();
	});

	it("for a snapshot are 12 at most, connecting among them, where QEMU gives values with objects", async () => {
		const { commands, roundTrips } = await proxy.during(async () => {
			const { status, stderr } = await runQomfs("snapshot", socket);
			expect([status, stderr]).toEqual([0, ""]);
		});
		expect(roundTrips).toBeLessThanOrEqual(givesValues ? 12 : commands / 10);
	});

	it.skipIf(lacksMount)(
		"for a mount are those of its connection, and one for all it asks",
		async () => {
			const begun = proxy.during(() =>
				mountQomfs(socket, "own_monitor=no").then((mounted) =>
					mounted.unmount(),
				),
			);
			expect(await begun).toEqual({ commands: 3, roundTrips: 3 });
		},
	);

	it.skipIf(lacksMount)(
		"for sweeps are far fewer than directories, and than values",
		async () => {
			const mounted = await mountQomfs(socket, "own_monitor=no");
			try {
				const find = await proxy.during(() => mounted.sh('find "$M"'));
				const grep = await proxy.during(() => mounted.sh('grep -r . "$M"'));
				const most = givesValues ? [10, 30] : [60, 250];
				expect([find.roundTrips, grep.roundTrips]).toSatisfy(
					([find, grep]) => find <= (most[0] ?? 0) && grep <= (most[1] ?? 0),
				);
			} finally {
				await mounted.unmount();
			}
		},
	);
});
