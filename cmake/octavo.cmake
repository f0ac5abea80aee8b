# Build rules shared by every folder: one static library and one test program a folder.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(OCTAVO_TESTS "Build the test programs" ON)
option(OCTAVO_BENCH "Build the programs of bench/" OFF)
option(OCTAVO_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(OCTAVO_KERNELS_ONLY "Build the kernels and their tests alone, as a cross build does" OFF)
set(OCTAVO_SANITIZE "" CACHE STRING "Sanitizers, as given to -fsanitize=")

find_program(OCTAVO_CCACHE ccache)
if(OCTAVO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${OCTAVO_CCACHE})
endif()

find_package(Threads REQUIRED)
if(OCTAVO_TESTS)
  enable_testing()
  if(CMAKE_CROSSCOMPILING)
    # The installed library is the build machine's; Debian ships the source beside it.
    add_subdirectory(/usr/src/googletest/googletest googletest EXCLUDE_FROM_ALL SYSTEM)
  else()
    find_package(GTest REQUIRED)
  endif()
endif()

add_library(octavo_flags INTERFACE)
target_include_directories(octavo_flags INTERFACE ${PROJECT_SOURCE_DIR}/include
                                                  ${PROJECT_SOURCE_DIR}/src)
# Warnings are errors everywhere; the exceptions are false alarms of GCC 12 in the standard library, and what its stable_sort
# calls, which newer compilers tell to be deprecated.
target_compile_options(octavo_flags INTERFACE -Wall -Wextra -Werror -fno-math-errno
  $<$<CXX_COMPILER_ID:GNU>:-Wno-error=restrict;-Wno-error=maybe-uninitialized>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-unknown-warning-option;-Wno-error=deprecated-declarations>)
target_compile_definitions(octavo_flags INTERFACE OCTAVO_VERSION="${PROJECT_VERSION}")
target_link_libraries(octavo_flags INTERFACE Threads::Threads)
if(OCTAVO_SANITIZE)
  target_compile_options(octavo_flags INTERFACE -fsanitize=${OCTAVO_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(octavo_flags INTERFACE -fsanitize=${OCTAVO_SANITIZE})
endif()
if(OCTAVO_FUZZ)
  target_compile_options(octavo_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# octavo_library(NAME SOURCES a.cc ... [DEPS folder ...] [SYSTEM lib ...] [TESTS a_test.cc ...])
# A folder's library octavo_NAME and, where it has tests, the program octavo_NAME_test.
function(octavo_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;SYSTEM;TESTS" ${ARGN})
  add_library(octavo_${name} STATIC ${ARG_SOURCES})
  set(deps)
  foreach(dep ${ARG_DEPS})
    list(APPEND deps octavo_${dep})
  endforeach()
  target_link_libraries(octavo_${name} PUBLIC octavo_flags ${deps} ${ARG_SYSTEM})
  if(OCTAVO_TESTS AND ARG_TESTS)
    octavo_test(octavo_${name}_test SOURCES ${ARG_TESTS} DEPS ${name})
  endif()
endfunction()

# octavo_test(PROGRAM SOURCES ... DEPS folder ...): a GoogleTest program, run by ctest from the source root.
function(octavo_test program)
  if(NOT OCTAVO_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  set(deps)
  foreach(dep ${ARG_DEPS})
    list(APPEND deps octavo_${dep})
  endforeach()
  add_executable(${program} ${ARG_SOURCES})
  target_link_libraries(${program} PRIVATE ${deps} GTest::gtest GTest::gtest_main)
  add_test(NAME ${program} COMMAND ${program} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

# octavo_fuzz(NAME SOURCES ... DEPS folder ...): a libFuzzer program, built only with OCTAVO_FUZZ.
function(octavo_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT OCTAVO_FUZZ)
    return()
  endif()
  set(deps)
  foreach(dep ${ARG_DEPS})
    list(APPEND deps octavo_${dep})
  endforeach()
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE ${deps})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endfunction()
