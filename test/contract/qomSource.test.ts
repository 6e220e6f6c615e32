import { describe } from "vitest";
import { CachedSource } from "../../src/cache/cachedSource.ts";
import { connect } from "../../src/machine/machine.ts";
import { RequestQueue } from "../../src/qmp/requestQueue.ts";
import { LiveSource } from "../../src/qom/live.ts";
import { readSnapshot } from "../../src/qom/snapshot/snapshot.ts";
import { SnapshotSource } from "../../src/qom/snapshot/source.ts";
import { takeSnapshot } from "../../src/qom/snapshot/take.ts";
import { fakeObjects } from "../support/fakeObjects.ts";
import { FakeQmp } from "../support/fakeQmp.ts";
import { lacksQemu, startTestMachine } from "../support/mounted.ts";
import { qomSourceContract, type SourceUnderTest } from "./qomSource.ts";

async function fake(hasListGet: boolean): Promise<SourceUnderTest> {
	const qmp = new FakeQmp(fakeObjects, hasListGet);
	const source = new LiveSource(new RequestQueue(qmp));
	await source.probe(qmp);
	return { source, close: async () => {} };
}

async function real(): Promise<SourceUnderTest> {
	const vm = await startTestMachine();
	const machine = await connect(vm.socket);
	return {
		source: machine.source,
		async close() {
			await machine.close();
			await vm.stop();
		},
	};
}

/** What was saved of a source. */
async function saved(
	start: Promise<SourceUnderTest>,
): Promise<SourceUnderTest> {
	const { source, close } = await start;
	const pieces = await Array.fromAsync(
		takeSnapshot(source, { describes: true }),
	);
	await close();
	return {
		source: new SnapshotSource(readSnapshot(pieces.join(""))),
		close: async () => {},
	};
}

/** The same source, looked at through the cache of a mount. */
async function cached(
	start: Promise<SourceUnderTest>,
): Promise<SourceUnderTest> {
	const { source, close } = await start;
	const options = { listTtlMs: 1000, valueTtlMs: 100 };
	return { source: new CachedSource(source, options), close };
}

qomSourceContract("a fake QEMU before 10.1", () => fake(false));
qomSourceContract("a fake QEMU", () => fake(true));
qomSourceContract("a fake QEMU before 10.1, cached,", () =>
	cached(fake(false)),
);
qomSourceContract("a fake QEMU, cached,", () => cached(fake(true)));
qomSourceContract("a snapshot of a fake QEMU before 10.1", () =>
	saved(fake(false)),
);
qomSourceContract("a snapshot of a fake QEMU", () => saved(fake(true)));

describe.skipIf(lacksQemu)("with a real QEMU,", () => {
	qomSourceContract("its source", real);
	qomSourceContract("its source, cached,", () => cached(real()));
	qomSourceContract("a snapshot of it", () => saved(real()));
	qomSourceContract("a snapshot of it, cached,", () => cached(saved(real())));
});
