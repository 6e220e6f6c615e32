/** A domain of libvirt: one of its URIs, with the name of the domain in its query. */
import { AddressError } from "../../errors.ts";
import { decoded, withParameter } from "../uri.ts";

export interface LibvirtAddress {
	readonly kind: "libvirt";
	/** As virsh(1) takes it: `qemu:///system`, `qemu+ssh://HOST/system`. */
	readonly uri: string;
	readonly domain: string;
}

/** Whether a text is one of libvirt's URIs, for QEMU. */
export function isLibvirtUri(text: string): boolean {
	return /^qemu(\+[\w-]+)?:\/\//.test(text);
}

/**
 * The URI, and the domain that is named with it.
 *
 * @throws AddressError
 */
export function parseLibvirtUri(text: string): {
	readonly uri: string;
	readonly domain: string | undefined;
} {
	if (/[\p{Cc} ]/u.test(text))
		throw new AddressError(
			`${JSON.stringify(text)}: write blanks and the like as %20 in a URI`,
		);
	const [place = "", query = ""] = text.split(/\?(.*)/s);
	const parameters = query.split("&").filter((each) => each !== "");
	const isDomain = (parameter: string) => parameter.startsWith("domain=");
	const [named, ...more] = parameters.filter(isDomain);
	if (more.length > 0)
		throw new AddressError(`'${text}' names more than one domain`);
	const others = parameters.filter((each) => !isDomain(each)).join("&");
	return {
		uri: others === "" ? place : `${place}?${others}`,
		domain: named && decoded(named.slice("domain=".length), text),
	};
}

/** @throws AddressError */
export function parseLibvirtAddress(text: string): LibvirtAddress {
	const { uri, domain } = parseLibvirtUri(text);
	if (!domain)
		throw new AddressError(
			`'${text}' names all running domains, and this needs one; write '${withParameter(uri, "domain=NAME")}'`,
		);
	return { kind: "libvirt", uri, domain };
}

/** The text that {@link parseLibvirtAddress} reads back. */
export function formatLibvirtAddress({ uri, domain }: LibvirtAddress): string {
	const name = domain.replace(/[\p{Cc} %&#?+]/gu, encodeURIComponent);
	return withParameter(uri, `domain=${name}`);
}
