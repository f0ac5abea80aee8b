# cmake -DOUTPUT=x.cc -DFOLDER=dir -DFILES="a.html;b.js" -P embed_web_files.cmake
# Writes web_files() of serve/web_page.h. Bytes as numbers: no file can break out of a literal, and no literal is too long.
set(arrays "")
set(rows "")
set(index 0)
foreach(file ${FILES})
  file(READ ${FOLDER}/${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kFile${index}[] = {\n${bytes}};\n")
  string(APPEND rows "    {\"${file}\", {kFile${index}, sizeof kFile${index}}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Written by cmake/embed_web_files.cmake from src/serve/web.
#include \"serve/web_page.h\"

namespace octavo::serve {
namespace {
${arrays}
constexpr WebFile kFiles[] = {
${rows}};
}  // namespace

std::span<const WebFile> web_files() { return kFiles; }

}  // namespace octavo::serve
")
