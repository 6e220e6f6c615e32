import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		// They need a browser: npm run test:browser.
		exclude: process.env.QOMFS_BROWSER ? [] : ["test/browser/**"],
		// Real machines boot in software on slow hosts: these limits only end what hangs.
		testTimeout: 120_000,
		hookTimeout: 120_000,
		expect: { poll: { timeout: 20_000 } },
		// Two cores, and QEMU wants some of them.
		maxWorkers: 2,
	},
});
