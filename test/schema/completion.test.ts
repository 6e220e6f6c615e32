import { describe, expect, it } from "vitest";
import { completeQmp } from "../../src/schema/completion.ts";
import { answeringMachine as machine } from "../support/answeringMachine.ts";

describe("TAB", () => {
	it.each<[string, string[]]>([
		["qom-", ["qom-get", "qom-set"]],
		["qom-g", ["qom-get "]],
		["dev", ["device_add "]],
		["nosuch ", []],
		["qom-get ", ["path=", "property="]],
		["qom-get pa", ["path="]],
		["qom-get path=/ ", ["property="]],
		["object-add id=a ", ["qom-type="]],
		["object-add qom-type=", ["can-bus", "iothread", "secret"]],
		["object-add qom-type=io", ["iothread "]],
		["object-add qom-type=iothread p", ["poll-max-ns="]],
		["blockdev-add driver=raw f", ["file.", "file="]],
		["blockdev-add driver=raw file.", ["file.driver=", "file.node-name="]],
		["blockdev-add driver=raw file.driver=file file.l", ["file.locking="]],
		["blockdev-add driver=raw file.driver=file file.locking=a", ["auto "]],
		["everything a-flag=", ["false", "off", "on", "true"]],
		["everything level=o", ["off", "on"]],
		["qom-get path=", ["/machine", "/objects"]],
		["qom-get path=/mac", ["/machine"]],
		["qom-get path=/machine/", ['"/machine/a b"', "/machine/bus"]],
		['qom-get path="/machine/a', ['"/machine/a b"']],
		["qom-get path=/machine property=t", ["type "]],
		["device_add driver=usb-k", ["usb-kbd "]],
		["device_add id=", []],
		["qom-get path=/nosuch/", []],
		["transaction( ", [")", "abort", "get"]],
		["transaction( get p", ["path=", "property="]],
	])("after %j offers %j", async (line, candidates) => {
		const [offered] = await completeQmp(machine, line, false);
		expect(offered).toEqual(candidates);
	});

	it("replaces the value alone", async () => {
		expect(await completeQmp(machine, "qom-get path=/mac", false)).toEqual([
			["/machine"],
			"/mac",
		]);
	});
});
