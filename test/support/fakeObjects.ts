/** A small machine for the fake QEMU. */
import type { FakeObjects } from "./fakeQmp.ts";

export const fakeObjects: FakeObjects = {
	"/": [
		["type", "string", "container"],
		["objects", "child<container>", "/objects"],
		["machine", "child<fake-machine>", "/machine"],
	],
	"/objects": [
		["type", "string", "container"],
		["io0", "child<iothread>", "/objects/io0"],
		["rng", "child<rng-builtin>", "/objects/rng"],
	],
	"/objects/io0": [
		["type", "string", "iothread"],
		["poll-max-ns", "int", 32768],
	],
	"/objects/rng": [["type", "string", "rng-builtin"]],
	"/machine": [
		["type", "string", "fake-machine"],
		["peripheral", "child<container>", "/machine/peripheral"],
	],
	"/machine/peripheral": [
		["type", "string", "container"],
		["rng0", "child<virtio-rng-pci>", "/machine/peripheral/rng0"],
	],
	"/machine/peripheral/rng0": [
		["type", "string", "virtio-rng-pci"],
		["rng", "link<rng-backend>", "/objects/rng"],
	],
};
