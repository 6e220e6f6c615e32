/** `-o hide_unreadable`: programs that read everything meet no error. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacksMount } from "../support/mounted.ts";
import { type RawReply, walk } from "../support/rawQmp.ts";
import { WrittenMount } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount with -o hide_unreadable", () => {
	let written: WrittenMount;
	let elsewhere: string;

	beforeAll(async () => {
		written = await WrittenMount.start("hide_unreadable,cache_timeout=600");
		elsewhere = await mkdtemp(join(tmpdir(), "qomfs-copy-"));
	});

	afterAll(async () => {
		await written?.stop();
		await rm(elsewhere, { recursive: true, force: true });
	});

	it("shows all but what QEMU refuses to read, once that is known", async () => {
		const readable: string[] = [];
		let refused = 0;
		for (const { object, name, type } of await walk(written.qmp)) {
			if (/^(child|link)</.test(type)) continue;
			const reply: RawReply = await written.qmp.ask("qom-get", {
				...{ path: object, property: name },
			});
			if (reply.error) refused++;
			else readable.push(object === "/" ? `/${name}` : `${object}/${name}`);
		}
		expect(refused).toBeGreaterThan(0);
		// Where values do not come with listings, it is learnt by reading.
		await written.sh('grep -r . "$M" > /dev/null 2>&1; true');
		const { stdout } = await written.sh('cd "$M"; find . -type f');
		const shown = stdout
			.trimEnd()
			.split("\n")
			.map((path) => path.slice(1));
		expect(shown.sort()).toEqual(readable.sort());
	});

	it("is copied without an error", async () => {
		expect(
			await written.sh(`cp -r "$M"/machine/unattached ${elsewhere}`),
		).toMatchObject({ status: 0, stderr: "" });
	});
});
