/** What the kinds of URIs have in common. */
import { AddressError } from "../errors.ts";

/**
 * A part of a URI as it is meant.
 *
 * @param text the whole, as the user has written it
 * @throws AddressError
 */
export function decoded(part: string, text: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		throw new AddressError(`'${text}': write a percent sign as %25`);
	}
}

/** A URI with one parameter more in its query. */
export function withParameter(uri: string, parameter: string): string {
	return `${uri}${uri.includes("?") ? "&" : "?"}${parameter}`;
}
