import { build } from 'esbuild'
import { minify } from 'terser'
import { gzipSync } from 'node:zlib'
import { privateNames } from './names.mjs'
const root=process.cwd()
const mods=['alive','attach','carriers','codec','control','log','machine','paths','select','send','session','state','wake','ways','websocket']
const opts={ecma:2022,toplevel:true,compress:{passes:6,pure_getters:true,unsafe_arrows:true,unsafe_methods:true,keep_fargs:false,inline:1,hoist_funs:true,lhs_constants:false},format:{quote_style:1,preamble:'/*! Holdfast, MIT licence */'}}
const names=privateNames(root+'/src')
async function ev(order){
 const r = await build({absWorkingDir:root,bundle:true,charset:'utf8',legalComments:'none',platform:'neutral',target:'es2022',write:false,
 stdin:{contents:order.map(m=>`import './src/${m}.ts'`).join('\n')+`\nimport {connect} from './src/index.ts'\nimport {WebSocket} from './src/websocket.ts'\nglobalThis.Holdfast={connect,WebSocket}`,resolveDir:root},format:'iife',minifySyntax:true,mangleProps:/^_/,mangleCache:{...names}})
 return gzipSync((await minify(r.outputFiles[0].text,opts)).code,{level:9}).length
}
let cur=[...mods],best=await ev([]); console.log('none',best); best=await ev(cur);console.log('alpha',best)
const T=Date.now()
while(Date.now()-T<+process.argv[2]*1000){const o=[...cur];const i=Math.floor(Math.random()*o.length),[x]=o.splice(i,1);o.splice(Math.floor(Math.random()*(o.length+1)),0,x);const s=await ev(o);if(s<=best){if(s<best)console.log(s,o.join(' '));best=s;cur=o}}
