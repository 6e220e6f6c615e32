/**
 * Values that differ though nobody has changed the machine, or that say again what another one says.
 * Each was seen: between two starts of the same machine, between two looks at a running one, between one
 * that has booted and one that has not, or between two machines of which one has a device more.
 * docs/diff.md lists them.
 */
import type { TreeObject } from "./tree.ts";

interface VolatileValue {
	readonly property: RegExp;
	/** Type of the object. */
	readonly type?: RegExp;
	/** Whether the object is the kind of thing that is meant. */
	readonly isMeant?: (object: TreeObject, property: string) => boolean;
	readonly reason: string;
}

const firmware = "the guest's firmware assigns it";

/** Whether it is a PCI device: they all have a place for a ROM. */
function isPciDevice({ document }: TreeObject): boolean {
	return Object.hasOwn(document.properties, "romfile");
}

/** Of machines, and of real-time clocks. */
const clocks = /^(rtc-time|date)$/;

/** Whether a property goes on by itself, second by second. */
export function isClock(property: string): boolean {
	return clocks.test(property);
}

const volatileValues: readonly VolatileValue[] = [
	{ property: clocks, reason: "a clock" },
	{ property: /^guest-stats$/, reason: "the guest counts it" },
	{ property: /^connected$/, type: /^chardev-/, reason: "who looks at it now" },
	{
		property: /^addr$/,
		type: /^chardev-/,
		isMeant: ({ name }) => /^compat_monitor\d+$/.test(name),
		reason: "where its monitor is",
	},
	{
		property: /^(addr|container|priority|size)$/,
		isMeant: isMappedByGuest,
		reason: firmware,
	},
	{ property: /^busnr$/, isMeant: isPciDevice, reason: firmware },
	{ property: /^(MCFG|mcfg_size)$/, type: /-pcihost$/, reason: firmware },
	{ property: /^(pm_io_base|gpe0_blk)$/, type: /^ICH9-LPC$/, reason: firmware },
	{
		property: /^(feature-words|filtered-features)$/,
		type: /-cpu$/,
		reason: "the flags of the CPU in another form",
	},
	{
		property: /^legacy-/,
		// Only before QEMU 8: the text of a number.
		isMeant: ({ document }, property) =>
			Object.hasOwn(document.properties, property.slice("legacy-".length)),
		reason: "the same in another form",
	},
];

/** A region of a PCI device, or the window of the host bridge: they lie where the guest puts them. */
function isMappedByGuest({ document, parent, name }: TreeObject): boolean {
	if (document.type !== "memory-region") return false;
	let above = parent;
	while (above && !isPciDevice(above)) above = above.parent;
	return above !== undefined || /^pcie-mmcfg-mmio\[/.test(name);
}

/** Why a value may differ by itself; undefined if it does not. */
export function volatileReason(
	object: TreeObject,
	property: string,
): string | undefined {
	return volatileValues.find(
		(entry) =>
			entry.property.test(property) &&
			(entry.type?.test(object.document.type ?? "") ?? true) &&
			(entry.isMeant?.(object, property) ?? true),
	)?.reason;
}
