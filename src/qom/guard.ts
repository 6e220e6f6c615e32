/**
 * Which properties are dangerous to write or even to read, which types to describe, and which
 * values are not for everybody's eyes.
 */
import type { QomPath } from "./path.ts";
import { parseType } from "./types.ts";

/** Writing these has aborted machines, or silently unplugged parts of them. */
const dangerous: ReadonlyMap<string, string> = new Map([
	["realized", "it unplugs or re-plugs the device, and can abort QEMU"],
	["hotplug-handler", "it rewires hot-plug of a running machine"],
	["cpu-hotplug-legacy", "writing it aborts QEMU, even with its own value"],
	["memory-backend", "it detaches the memory of a running machine"],
]);

/**
 * Why a property must not be written without `unsafe_writes`; undefined if it may.
 *
 * @param objectType type of the object, where it is known
 * @param type of the property, as `qom-list` writes it
 */
export function guardReason(
	object: QomPath,
	objectType: string | undefined,
	property: string,
	type: string,
): string | undefined {
	if (parseType(type).kind === "link")
		return "links wire the running machine together; changing one can crash it";
	if (isMonitor(object, objectType))
		return "it belongs to a monitor; writing it can cut the session";
	return dangerous.get(property);
}

/** A read that has ended QEMU. */
interface DeadlyRead {
	/** Of the machine; all that is known so far are properties of machines. */
	readonly type: RegExp;
	readonly property: string;
	readonly reason: string;
}

const deadlyReads: readonly DeadlyRead[] = [
	{
		// Arm's alone: elsewhere it is called virt-machine. Seen on 11.1 with a virtio-iommu,
		// which the getter does not know (hw/arm/virt.c, virt_get_iommu: g_assert_not_reached).
		type: /^virt-\d+\.\d+-machine$/,
		property: "iommu",
		reason: "QEMU aborts when it is read on a machine with a virtio-iommu",
	},
];

/** Whether an object of this type has a property that must not be read. */
export function hasDeadlyRead(objectType: string): boolean {
	return deadlyReads.some(({ type }) => type.test(objectType));
}

/** Whether a property of this name is deadly to read in any type. */
export function isEverDeadly(property: string): boolean {
	return deadlyReads.some((read) => read.property === property);
}

/** Why a property must not be read; undefined if it may. */
export function deadlyReadReason(
	objectType: string,
	property: string,
): string | undefined {
	return deadlyReads.find(
		(read) => read.property === property && read.type.test(objectType),
	)?.reason;
}

/** A type that is not described, because QEMU makes an instance of it for that. */
interface Undescribed {
	readonly type: RegExp;
	/** Only where `qom-list-get` is missing: before QEMU 10.1. */
	readonly isOld?: true;
	readonly reason: string;
}

const undescribed: readonly Undescribed[] = [
	{
		// Seen on 7.2 on x86; harmless on 11.1.
		type: /^(microvm-machine|x-remote-object|qio-net-listener|colo-compare|virtio-gpu-gl-pci|virtio-vga-gl)$/,
		isOld: true,
		reason: "QEMU ends",
	},
	{
		// Seen on 11.1 on riscv64 (satp_mode_str): of some always, of all with 32 bits once rva22s64
		// or rva23s64 was made. Nobody outside knows whether it was, nor how many bits a type has.
		type: /-riscv-cpu$/,
		reason: "QEMU can end",
	},
	{
		// Seen on 11.1 on arm and aarch64: SIGSEGV. No machine there has one, but it can be asked for.
		type: /^ast2700-a\d$/,
		reason: "QEMU ends",
	},
	{
		// Seen on 11.1: each time one more /backend/console[N] stays behind.
		type: /^qemu(-\w+)*-console$/,
		reason: "the machine gets another console",
	},
];

/**
 * Why a type must not be described in the user's own machine; undefined if it may.
 *
 * @param isOld whether this QEMU is one before 10.1
 */
export function undescribedReason(
	type: string,
	isOld: boolean,
): string | undefined {
	return undescribed.find(
		(entry) => entry.type.test(type) && (isOld || !entry.isOld),
	)?.reason;
}

/** A monitor changed under its client answers in another form, or not at all. */
function isMonitor(object: QomPath, objectType: string | undefined): boolean {
	return (
		/^\/+(objects|chardevs)\/+compat_monitor\d+\/*$/.test(object) ||
		(objectType?.startsWith("monitor-") ?? false)
	);
}

/** property -> the types in which it holds a secret. */
const secretProperties: ReadonlyMap<string, readonly string[]> = new Map([
	["data", ["secret"]], // qapi/crypto.json @SecretProperties
]);

/**
 * Whether a QMP command, in JSON or as typed, or its reply may hold a secret, which must not be
 * logged or kept. `qom-list-get` gives every value of an object.
 */
export function holdsSecret(text: string): boolean {
	const plain = text.replace(/\\u([0-9a-f]{4})/gi, (_all, code) =>
		String.fromCharCode(Number.parseInt(code, 16)),
	);
	return /secret|passw|qom-list-get|qom-[gs]et\b.*\bdata\b|property\W+data\b/is.test(
		plain,
	);
}

/** Whether an object of that path, which may be partial, may hold a secret: users make those. */
export function mayBeSecret(path: QomPath): boolean {
	return !path.startsWith("/") || /^\/+objects\//.test(path);
}

/**
 * Whether a property of an object of this type holds a secret;
 * with no type, whether it does in any type.
 */
export function isSecret(type: string | undefined, property: string): boolean {
	const types = secretProperties.get(property) ?? [];
	return type === undefined ? types.length > 0 : types.includes(type);
}
