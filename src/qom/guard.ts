/** Which values are not for everybody's eyes. */

const secretProperties: ReadonlyMap<string, readonly string[]> = new Map([
	["data", ["secret"]], // qapi/crypto.json @SecretProperties
]);

/**
 * Whether a property of an object of this type holds a secret;
 * with no type, whether it does in any type.
 */
export function isSecret(type: string | undefined, property: string): boolean {
	const types = secretProperties.get(property) ?? [];
	return type === undefined ? types.length > 0 : types.includes(type);
}
