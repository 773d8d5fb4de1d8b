// Debian's middleboxes in configurations that people meet. `ci`: part of the short schedule.
import { readFileSync } from 'node:fs'
import {
  apache, caddy, haproxy, lighttpd, mitmproxy, nginx, privoxy, squid, tinyproxy, trafficServer, upgrades, varnish,
} from '../daemons.mjs'

const proxyPass = (box) => `ProxyPass / http://127.0.0.1:${box.upstream}/`

const certified = (box) => {
  const [key, cert] = box.certificate()
  return `ssl_certificate ${cert}; ssl_certificate_key ${key};`
}
const bundle = (box) => box.write('bundle.pem', box.certificate().map((file) => readFileSync(file, 'utf8')).join(''))

export default [
  {
    name: 'nginx-as-it-comes', needs: ['nginx'], ci: true, class: 'F01 F08',
    title: 'proxy_pass and nothing else: HTTP/1.0 to the server, no Upgrade, buffering',
    start: (box) => nginx(box, { location: 'proxy_read_timeout 5s;' }),
  },
  {
    name: 'nginx-websocket-5s', needs: ['nginx'], ci: true, class: 'F12',
    title: 'WebSockets pass, and die after 5 s of silence',
    start: (box) => nginx(box, { location: `${upgrades} proxy_read_timeout 5s; proxy_send_timeout 5s;` }),
  },
  {
    name: 'nginx-reloads', needs: ['nginx'], class: 'F13',
    title: 'an ingress controller that reloads at 5, 11 and 22 s and cuts old workers after 1 s',
    async start(box) {
      const port = await nginx(box, { main: 'worker_shutdown_timeout 1s;', location: upgrades })
      for (const ms of [5000, 11_000, 22_000]) box.at(ms, () => box.nginx.kill('SIGHUP'))
      return port
    },
  },
  {
    name: 'nginx-two-nodes', needs: ['nginx'], nodes: 2, class: 'stickiness',
    title: 'round robin over two nodes that know nothing of each other, WebSockets pass',
    start: (box) => nginx(box, { location: upgrades }),
  },
  {
    name: 'nginx-two-nodes-requests', needs: ['nginx'], nodes: 2, class: 'stickiness',
    title: 'the same without Upgrade: every other request reaches the wrong node',
    start: (box) => nginx(box, { location: 'proxy_buffering off;' }),
  },
  {
    name: 'nginx-h2', needs: ['nginx', 'openssl'], https: true, class: 'HTTP/2',
    title: 'https with HTTP/2 to the browser, HTTP/1.0 to the server, no Upgrade',
    start: (box) => nginx(box, { listen: 'ssl http2', server: certified(box), location: 'proxy_buffering off;' }),
  },
  {
    name: 'nginx-http10', needs: ['nginx'], class: 'HTTP/1.0',
    title: 'no keep-alive, no chunks, no Upgrade, streams pass',
    start: (box) => nginx(box, {
      server: 'keepalive_timeout 0; chunked_transfer_encoding off;',
      location: 'proxy_buffering off;',
    }),
  },
  {
    name: 'nginx-small-bodies', needs: ['nginx'], bulk: 20_000, class: 'F24',
    title: 'client_max_body_size 4k, no Upgrade; some messages have 20 kB',
    start: (box) => nginx(box, { server: 'client_max_body_size 4k;' }),
  },
  {
    name: 'nginx-rate-limit', needs: ['nginx'], class: 'rate',
    title: '10 requests a second and address, a burst of 10, then 503; no Upgrade, buffering',
    start: (box) => nginx(box, {
      http: 'limit_req_zone $binary_remote_addr zone=z:1m rate=10r/s;',
      location: 'limit_req zone=z burst=10 nodelay;',
    }),
  },
  {
    name: 'nginx-gzip', needs: ['nginx'], class: 'F09',
    title: 'gzip of everything, event streams too; no Upgrade',
    start: (box) => nginx(box, {
      server: 'gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;',
      location: 'proxy_buffering off;',
    }),
  },
  {
    name: 'nginx-caches-posts', needs: ['nginx'], class: 'F16',
    title: 'POSTs cached by URL and body for a minute, equal ones coalesced, no-store ignored; no Upgrade',
    start: (box) => nginx(box, {
      http: `proxy_cache_path ${box.folder}/cache keys_zone=c:1m;`,
      location: `proxy_cache c; proxy_cache_methods GET HEAD POST; proxy_cache_key "$request_uri $request_body";
        proxy_cache_valid any 1m; proxy_cache_lock on;
        proxy_ignore_headers Cache-Control Expires Set-Cookie Vary; client_body_buffer_size 128k;`,
    }),
  },
  {
    name: 'haproxy-5s', needs: ['haproxy'], ci: true, class: 'F12 F15',
    title: 'every timeout at 5 s',
    start: (box) => haproxy(box, { timeout: '5s' }),
  },
  {
    name: 'haproxy-h2', needs: ['haproxy', 'openssl'], https: true, class: 'F07',
    title: 'https with HTTP/2, and WebSockets as extended CONNECT (RFC 8441)',
    start: (box) => haproxy(box, { bind: `ssl crt ${bundle(box)} alpn h2,http/1.1` }),
  },
  {
    name: 'haproxy-waits', needs: ['haproxy'], class: 'F08',
    title: 'http-response wait-for-body: a body is collected up to 16 KiB or 20 s; no Upgrade',
    start: (box) => haproxy(box, {
      frontend: 'http-request del-header Upgrade',
      backend: 'http-response wait-for-body time 20s',
    }),
  },
  {
    name: 'haproxy-three-at-a-time', needs: ['haproxy'], class: 'F21',
    title: 'maxconn 3 to the server, the rest queue; no keep-alive, no Upgrade',
    start: (box) => haproxy(box, {
      frontend: 'http-request del-header Upgrade',
      backend: 'option httpclose\n  option abortonclose',
      server: 'maxconn 3',
    }),
  },
  {
    name: 'apache-http', needs: ['apache2'], class: 'F01',
    title: 'mod_proxy_http alone, so no Upgrade',
    start: (box) => apache(box, [], proxyPass(box)),
  },
  {
    name: 'apache-websocket-5s', needs: ['apache2'], class: 'F12',
    title: 'mod_proxy_wstunnel with ProxyTimeout 5',
    start: (box) => apache(box, ['proxy_wstunnel', 'rewrite'], `ProxyTimeout 5
RewriteEngine On
RewriteCond %{HTTP:Upgrade} websocket [NC]
RewriteRule /(.*) ws://127.0.0.1:${box.upstream}/$1 [P,L]
${proxyPass(box)}`),
  },
  {
    name: 'apache-buffer', needs: ['apache2'], class: 'F08 F09',
    title: 'mod_buffer and mod_deflate over every reply; no Upgrade',
    start: (box) => apache(box, ['buffer', 'filter', 'deflate'], `SetOutputFilter BUFFER;DEFLATE\n${proxyPass(box)}`),
  },
  {
    name: 'varnish', needs: ['varnishd'], class: 'F01',
    title: 'as it comes: no pipe for Upgrade, GETs cached',
    start: (box) => varnish(box, ''),
  },
  {
    name: 'varnish-holds', needs: ['varnishd'], class: 'F08 F16',
    title: 'do_stream false, and a minute of life for every reply',
    start: (box) => varnish(box, 'sub vcl_backend_response { set beresp.do_stream = false; set beresp.ttl = 60s; ' +
      'set beresp.uncacheable = false; return (deliver); }'),
  },
  {
    name: 'squid-no-connect', needs: ['squid'], class: 'F01',
    title: 'a forward proxy for plain http: CONNECT, and so every WebSocket, is denied',
    start: (box) => squid(box, 'acl connect method CONNECT\nhttp_access deny connect\nhttp_access allow all'),
  },
  {
    name: 'squid-5s', needs: ['squid'], class: 'F12 F13 F15',
    title: 'a forward proxy with read_timeout 5 s and client_lifetime 10 s',
    start: (box) => squid(box, 'read_timeout 5 seconds\nclient_lifetime 10 seconds\nhttp_access allow all'),
  },
  {
    name: 'tinyproxy-5s', needs: ['tinyproxy'], ci: true, class: 'F01 F12',
    title: 'a forward proxy: CONNECT to 443 only, 5 s of idleness',
    start: (box) => tinyproxy(box, 'Timeout 5\nConnectPort 443'),
  },
  {
    name: 'privoxy-filters', needs: ['privoxy'], class: 'F08 F09',
    title: 'a filtering forward proxy, which reads every text before it goes on; CONNECT to 443 only',
    start: (box) => privoxy(box, '{+filter{zoo} +force-text-mode +limit-connect{443}}\n/',
      'FILTER: zoo nothing in particular\ns/never-to-be-found/x/'),
  },
  {
    name: 'caddy', needs: ['caddy'], class: 'control',
    title: 'as it comes: everything should pass',
    start: (box) => caddy(box),
  },
  {
    name: 'caddy-gzip-5s', needs: ['caddy'], class: 'F09 F15',
    title: 'encode gzip, reads of 5 s, no Upgrade',
    start: (box) => caddy(box, 'encode gzip\nrequest_header -Upgrade',
      'transport http {\n      response_header_timeout 5s\n      read_timeout 5s\n    }'),
  },
  {
    name: 'lighttpd', needs: ['lighttpd'], ci: true, class: 'F01 F08',
    title: 'mod_proxy as it comes: replies are collected whole, no Upgrade',
    start: (box) => lighttpd(box),
  },
  {
    name: 'lighttpd-websocket-5s', needs: ['lighttpd'], class: 'F12',
    title: 'Upgrade enabled, 5 s to read and write',
    start: (box) => lighttpd(box,
      'proxy.header = ("upgrade" => "enable")\nserver.max-read-idle = 5\nserver.max-write-idle = 5'),
  },
  {
    name: 'mitmproxy-tls', needs: ['mitmdump', 'openssl'], https: true, class: 'F08 F20',
    title: 'TLS inspection in a forward proxy: replies held until complete, WebSockets pass',
    start: async (box) => ({ proxy: await mitmproxy(box, []) }),
  },
  {
    name: 'traffic-server', needs: ['traffic_server'], class: 'F01',
    title: 'Apache Traffic Server as it comes',
    start: (box) => trafficServer(box),
  },
]
