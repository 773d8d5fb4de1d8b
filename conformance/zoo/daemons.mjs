// Debian's middleboxes, each started in the foreground in the cell's folder. Here are only plain
// configurations; the hostile settings are in the cells.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** Lets nginx pass WebSockets on; without it the Upgrade is dropped. */
export const upgrades = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; ' +
  'proxy_set_header Connection $upgrading; proxy_set_header Host $http_host;'

export async function nginx(box, { main = '', http = '', server = '', location = '', listen = '' } = {}) {
  const port = await box.port()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${box.folder}/${name};`).join(' ')
  const user = process.getuid() === 0 ? 'user root;' : ''
  box.write('nginx.conf', `${user} daemon off; worker_processes 1; pid ${box.folder}/nginx.pid;
error_log stderr; ${main}
events { worker_connections 256; }
http {
  access_log off; ${temporary}
  map $http_upgrade $upgrading { default upgrade; '' ''; }
  ${http}
  upstream app { ${box.upstreams.map((up) => `server 127.0.0.1:${up};`).join(' ')} }
  server {
    listen 127.0.0.1:${port} ${listen}; ${server}
    location / { proxy_pass http://app; ${location} }
  }
}
`)
  box.nginx = await box.program(port, 'nginx', ['-e', 'stderr', '-p', box.folder, '-c', 'nginx.conf'])
  return port
}

export async function haproxy(box, { timeout = '60s', frontend = '', backend = '', server = '', bind = '' } = {}) {
  const port = await box.port()
  const file = box.write('haproxy.cfg', `defaults
  mode http
  timeout connect 2s
${['client', 'server', 'tunnel'].map((name) => `  timeout ${name} ${timeout}`).join('\n')}
frontend f
  bind 127.0.0.1:${port} ${bind}
  ${frontend}
  default_backend b
backend b
  ${backend}
  server s 127.0.0.1:${box.upstream} ${server}
`)
  await box.program(port, 'haproxy', ['-db', '-f', file])
  return port
}

export async function apache(box, modules, directives) {
  const port = await box.port()
  const load = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', ...modules]
    .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  const file = box.write('httpd.conf', `ServerRoot ${box.folder}
ServerName 127.0.0.1
PidFile ${box.folder}/httpd.pid
ErrorLog ${box.folder}/error.log
${load.join('\n')}
User www-data
Group www-data
Listen 127.0.0.1:${port}
${directives}
`)
  await box.program(port, 'apache2', ['-DFOREGROUND', '-f', file])
  return port
}

export async function varnish(box, vcl) {
  const port = await box.port()
  const file = box.write('zoo.vcl', `vcl 4.1;
backend app { .host = "127.0.0.1"; .port = "${box.upstream}"; }
${vcl}
`)
  const args = ['-F', '-j', 'none', '-n', `${box.folder}/varnish`, '-a', `127.0.0.1:${port}`, '-f', file]
  await box.program(port, 'varnishd', [...args, '-s', 'malloc,16m'])
  return port
}

export async function squid(box, rules) {
  const port = await box.port()
  const file = box.write('squid.conf', `http_port 127.0.0.1:${port}
${rules}
cache deny all
pid_filename none
cache_log stdio:/dev/null
access_log none
cache_store_log none
coredump_dir ${box.folder}
netdb_filename none
shutdown_lifetime 0 seconds
visible_hostname proxy.zoo.test
`)
  await box.program(port, 'squid', ['-N', '-n', `zoo${port}`, '-f', file])
  return { proxy: port }
}

export async function tinyproxy(box, directives) {
  const port = await box.port()
  await box.program(port, 'tinyproxy', ['-d', '-c', box.write('tinyproxy.conf', `Port ${port}
Listen 127.0.0.1
MaxClients 100
LogLevel Critical
${directives}
`)])
  return { proxy: port }
}

export async function privoxy(box, actions, filter = '') {
  const port = await box.port()
  box.write('zoo.action', `${actions}\n`)
  box.write('zoo.filter', `${filter}\n`)
  const file = box.write('privoxy.conf', `listen-address 127.0.0.1:${port}
confdir ${box.folder}
actionsfile zoo.action
filterfile zoo.filter
buffer-limit 4096
keep-alive-timeout 5
`)
  await box.program(port, 'privoxy', ['--no-daemon', file])
  return { proxy: port }
}

export async function caddy(box, site = '', proxy = '') {
  const port = await box.port()
  const file = box.write('Caddyfile', `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  ${site}
  reverse_proxy 127.0.0.1:${box.upstream} {
    ${proxy}
  }
}
`)
  const home = { XDG_DATA_HOME: box.folder, XDG_CONFIG_HOME: box.folder }
  await box.program(port, 'caddy', ['run', '--adapter', 'caddyfile', '--config', file], home)
  return port
}

export async function lighttpd(box, directives = '') {
  const port = await box.port()
  await box.program(port, 'lighttpd', ['-D', '-f', box.write('lighttpd.conf', `server.document-root = "${box.folder}"
server.port = ${port}
server.bind = "127.0.0.1"
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${box.upstream})))
${directives}
`)])
  return port
}

export async function mitmproxy(box, args) {
  const port = await box.port()
  const own = ['-q', '--listen-host', '127.0.0.1', '-p', `${port}`, '--ssl-insecure']
  await box.program(port, 'mitmdump', [...own, '--set', `confdir=${box.folder}/mitm`, ...args])
  return port
}

/** Apache Traffic Server needs an installation of its own: a run root in the folder is enough. */
export async function trafficServer(box) {
  const port = await box.port()
  const own = ['etc', 'var', 'run', 'log', 'cache']
  for (const name of own) mkdirSync(join(box.folder, name))
  const [etc, state, run, log, cache] = own.map((name) => join(box.folder, name))
  const root = {
    prefix: box.folder, exec_prefix: box.folder,
    bindir: '/usr/bin', sbindir: '/usr/sbin', includedir: '/usr/include',
    libdir: '/usr/lib/trafficserver', libexecdir: '/usr/lib/trafficserver/modules',
    sysconfdir: etc, datadir: state, localstatedir: state, runtimedir: run, logdir: log, cachedir: cache,
  }
  const file = box.write('runroot.yaml', Object.entries(root).map(([name, path]) => `${name}: ${path}\n`).join(''))
  box.write('etc/records.config', `CONFIG proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.crash_log_helper STRING NULL
`)
  box.write('etc/storage.config', '') // no cache
  box.write('etc/remap.config', `map / http://127.0.0.1:${box.upstream}/\n`)
  box.write('etc/ip_allow.yaml', `ip_allow:
  - apply: in
    ip_addrs: 127.0.0.1
    action: allow
    methods: ALL
`)
  await box.program(port, 'traffic_server', [`--run-root=${file}`])
  return port
}
