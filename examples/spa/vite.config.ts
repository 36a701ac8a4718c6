import react from '@vitejs/plugin-react'
import { defineConfig, loadEnv, type Plugin } from 'vite'

/** Allows the page to load its own scripts, styles and images and to call Latchkey, and nothing else. */
const policy = (latchkey: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${latchkey}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ')

/** Adds the policy to the built page, not in development, where Vite injects scripts. */
const contentSecurityPolicy = (content: string): Plugin => ({
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content }, injectTo: 'head-prepend' },
  ],
})

export default defineConfig(({ mode }) => {
  const latchkey = loadEnv(mode, import.meta.dirname)['VITE_LATCHKEY_URL'] ?? ''
  return {
    plugins: [react(), contentSecurityPolicy(policy(latchkey))],
    server: { port: 5173, strictPort: true, fs: { allow: ['../..'] } },
    preview: { port: 5173, strictPort: true, headers: { 'Content-Security-Policy': "frame-ancestors 'none'" } },
    build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 600 },
  }
})
