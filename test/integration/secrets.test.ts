/** What a mount must not give away. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
	lacksMount,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";
import { Sandbox } from "../support/sandbox.ts";
import { writtenMachine } from "../support/writtenMount.ts";

describe.skipIf(lacksMount)("a mount of a machine with secrets", () => {
	let vm: TestMachine;

	beforeAll(async () => {
		vm = await startTestMachine(writtenMachine);
	});

	afterAll(() => vm?.stop());

	it("keeps secrets out of debug output, .json and .qomfs/errors", async () => {
		const box = await Sandbox.create();
		const mount = await box.foreground(
			["-d", "-o", "value_timeout=0", vm.socket, box.mountpoint],
			{ DEBUG: "qomfs:*" },
		);
		const sec = `${box.mountpoint}/objects/sec1`;
		const { stdout, stderr } = await run("bash", [
			"-c",
			`cd ${sec}
			 echo s3cr3t-one > data; cat data
			 printf 's3cr3t-two' >> data; cat data
			 printf 's3cr3t-\\xff' > data
			 stat -c %a data
			 cat .json ../sec0/.json ${box.mountpoint}/.qomfs/errors; tail -n 1 ${box.mountpoint}/.qomfs/errors`,
		]);
		mount.process.kill("SIGTERM");
		await mount.ended;
		await box.remove();
		const [one, two, mode, json, , error] = stdout.split("\n");
		expect([one, two, mode]).toEqual(["s3cr3t-one", "s3cr3t-two", "600"]);
		expect(JSON.parse(json ?? "").properties.data).toMatchObject({
			...{ value: null, redacted: true },
		});
		expect(stderr).toContain("Invalid argument");
		expect(JSON.parse(error ?? "")).toMatchObject({
			...{ path: "/objects/sec1/data", errno: "EINVAL" },
			...{ desc: null, redacted: true },
		});
		expect(mount.stderr()).toMatch(/qom-set/);
		expect(mount.stdout() + mount.stderr()).not.toContain("s3cr3t");
		expect(stdout.split("\n").slice(2).join("\n")).not.toContain("s3cr3t");
	});
});
