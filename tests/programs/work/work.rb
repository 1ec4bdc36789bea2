# Work for ruby: hashes, strings, arrays, threads, and a garbage collection at every allocation for a while.
require "digest"
require "json"
require "zlib"
$stdout.sync = true

def show(name, data)
  puts "#{name} #{Digest::SHA256.hexdigest(data.is_a?(String) ? data : data.inspect)}"
end

# First, while the heap is small: each allocation collects all of it.
GC.stress = true
stressed = 60.times.map { |i| { "k#{i}" => [i.to_s * 3, :a, i..(i + 1)] } }
GC.stress = false
show("gc_stress", stressed)

random = Random.new(7)
table = {}
250_000.times do |i|
  key = "key#{random.rand(30_000)}"
  table[key] = (table[key] || "") + (97 + i % 26).chr * (i % 7)
  table.delete("key#{random.rand(30_000)}") if i % 3 == 0
end
show("hash", table)

text = table.map { |key, value| "#{key}=#{value}" }.join("; ")
show("scan", text.scan(/key(\d+)=([a-m]*)/))
show("gsub", text.gsub(/key(\d+)/) { "k<#{$1.reverse}>" })

rows = (1..60_000).map { |i| { "id" => i, "v" => random.rand(1_000_000), "s" => "x" * random.rand(60) } }
show("sort", rows.sort_by { |row| [row["v"], row["id"]] }.map { |row| row["id"] })
json = JSON.generate(rows)
show("json", JSON.generate(JSON.parse(json)))
packed = Zlib::Deflate.deflate(json, 6)
raise "zlib" unless Zlib::Inflate.inflate(packed) == json
show("zlib", packed)
show("bignum", (1..1_500).inject(:*).to_s)

results = 6.times.map do |seed|
  Thread.new do
    own = Random.new(seed)
    kept = []
    40_000.times do |i|
      kept << "v#{own.rand(1000)}" * (i % 5)
      kept.shift if kept.size > 500
    end
    Digest::SHA256.hexdigest(kept.join(","))
  end
end.map(&:value)
show("threads", results)

reader, writer = IO.pipe
child = fork do
  reader.close
  GC.start
  writer.puts Digest::SHA256.hexdigest(table.keys.map(&:upcase).join)
end
writer.close
show("fork", reader.read)
Process.wait(child)
raise "child failed" unless $?.success?
GC.compact if GC.respond_to?(:compact)
show("after", table.size)
