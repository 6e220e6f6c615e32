/** What programs ask any file system for, of a mount; asked by Python, which has all the system calls. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BackendName, backendNames } from "../../src/fuse/backend.ts";
import { tiny } from "../support/faultBench.ts";
import {
	lacksMount,
	mountQomfs,
	run,
	startTestMachine,
	type TestMachine,
} from "../support/mounted.ts";

const script = new URL("../fixtures/basics.py", import.meta.url).pathname;

/** null is success without anything to tell. */
const expected = (backend: BackendName) => ({
	"a name of 255 bytes": "ENOENT",
	"a name of 256 bytes": "ENAMETOOLONG",
	"a path of 3,300 bytes": 0o755,
	"a path of 4,400 bytes": "ENAMETOOLONG",
	"the parent": true,
	seekdir: [true, true],
	"500 opens": ["iothread\n"],
	mmap: "ENODEV",
	O_APPEND: "5000\n",
	pread: ["iot", "oth", "ead", "\n", "", "", ""],
	"pwrite in the middle": null,
	truncate: "6000\n",
	flock: "locked",
	fsync: "7000\n",
	fallocate: "ENOTSUP",
	splice: "iothread\n",
	sendfile: "iothread\n",
	// Through libfuse, what has size 0 in stat(2) ends there.
	"sendfile of what was not looked at": [
		["0", true],
		backend === "kernel" ? ["{", true] : ["", false],
		backend === "kernel" ? ["{", true] : ["", false],
	],
	copy_file_range: "EXDEV",
	"seek past the end": [9, ""],
});

describe.skipIf(lacksMount)("a mount", () => {
	let vm: TestMachine;

	beforeAll(async () => {
		vm = await startTestMachine(tiny);
	});

	afterAll(() => vm?.stop());

	it.each(backendNames)(
		"through %s takes what is asked of any file system",
		async (backend) => {
			const mounted = await mountQomfs(vm.socket, `backend=${backend}`);
			try {
				const asked = await run("python3", [script, mounted.path]);
				expect(asked.stderr).toBe("");
				expect(JSON.parse(asked.stdout)).toEqual(expected(backend));
			} finally {
				await mounted.unmount();
			}
		},
	);
});
