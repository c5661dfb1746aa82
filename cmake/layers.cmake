# The library: one object library a folder of src/, then one static and one shared library of them
# all, and the command. A layer may see only the layers below it: its include path is the whole of
# src/, and scripts/tidy.py checks the #include lines.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
if(NOT WIN32)
  find_package(SQLite3 REQUIRED)
endif()
include(cmake/windows.cmake)

add_library(sluice_flags INTERFACE)
if(PROJECT_IS_TOP_LEVEL)
  # Only here: another project's compiler and flags may warn of what ours do not.
  target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror
    $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)  # not in g++'s -Wconversion
endif()
target_include_directories(sluice_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(sluice_flags INTERFACE Threads::Threads)
if(WIN32)
  # localtime_r(), which is there only for who asks.
  target_compile_definitions(sluice_flags INTERFACE _POSIX_C_SOURCE=200809L)
endif()
if(SLUICE_SANITIZE)
  # For everything in the build: what links the library must carry the same instrumentation.
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
  if(SLUICE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# What a joint build precompiles for the layers, the uploader, the daemon and the command.
set(SLUICE_HEAVY_HEADERS <nlohmann/json.hpp> <fmt/format.h> <algorithm> <atomic> <chrono>
  <condition_variable> <filesystem> <functional> <map> <memory> <mutex> <optional> <string>
  <thread> <unordered_map> <vector>)

# Eight files a compilation.
function(sluice_join_files target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The files are then included by one, and g++ takes their own types for those of a header.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# In a sanitizer's build, which is slow, and in one for another machine, which only looks for what
# is different there: files are joined, and the headers are of the holder, which is made where it is
# missing, at -O0 when it is for such targets (sluice_cold).
function(sluice_build_jointly target holder)
  if(NOT SLUICE_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
    return()
  endif()
  sluice_join_files(${target})
  if(NOT TARGET ${holder})
    sluice_header_holder(${holder} ${SLUICE_HEAVY_HEADERS})
    target_link_libraries(${holder} PRIVATE sluice_flags fmt::fmt-header-only
      nlohmann_json::nlohmann_json)
    if(holder MATCHES "cold")
      sluice_cold(${holder})
    endif()
  endif()
  sluice_precompiled_by(${target} ${holder})
endfunction()

# Instrumented code compiles twice as fast at -O0: for what no test spends its time in.
function(sluice_cold target)
  if(SLUICE_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# The command, the daemon's parts and the uploader: other libraries' headers take longer there than
# all else. Their files are joined but in a debug build, where somebody waits for one of them.
function(sluice_outside_core target)
  sluice_cold(${target})
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    sluice_join_files(${target})
  endif()
  sluice_build_jointly(${target} sluice_cold_headers)
endfunction()

set(SLUICE_LIBRARY_OBJECTS)
function(sluice_layer name)
  sluice_sources(${name} sources)
  if(NOT sources)
    return()
  endif()
  add_library(sluice_${name} OBJECT ${sources})
  # fmt is compiled in, so that whoever links the library needs no fmt of their own.
  target_link_libraries(sluice_${name} PRIVATE sluice_flags fmt::fmt-header-only
    nlohmann_json::nlohmann_json)
  target_compile_definitions(sluice_${name} PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  sluice_build_jointly(sluice_${name} sluice_headers)
  list(APPEND SLUICE_LIBRARY_OBJECTS $<TARGET_OBJECTS:sluice_${name}>)
  set(SLUICE_LIBRARY_OBJECTS ${SLUICE_LIBRARY_OBJECTS} PARENT_SCOPE)
endfunction()

set(SLUICE_LAYERS base os ring record region segment front stream append back store sink runtime)
set(kinds STATIC SHARED)
if(WIN32)
  list(REMOVE_ITEM SLUICE_LAYERS stream append store)
  set(kinds STATIC)
endif()
foreach(layer ${SLUICE_LAYERS})
  sluice_layer(${layer})
endforeach()

include(GNUInstallDirs)
foreach(kind ${kinds})
  string(TOLOWER ${kind} suffix)
  add_library(sluice_lib_${suffix} ${kind} ${SLUICE_LIBRARY_OBJECTS})
  set_target_properties(sluice_lib_${suffix} PROPERTIES OUTPUT_NAME sluice EXPORT_NAME ${suffix}
    LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  target_include_directories(sluice_lib_${suffix} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(sluice_lib_${suffix} PUBLIC cxx_std_20)
  target_link_libraries(sluice_lib_${suffix} PUBLIC Threads::Threads
    PRIVATE $<$<NOT:$<PLATFORM_ID:Windows>>:SQLite::SQLite3>
    $<$<PLATFORM_ID:Windows>:bcrypt> $<$<PLATFORM_ID:Windows>:synchronization>)
  add_library(sluice::${suffix} ALIAS sluice_lib_${suffix})
endforeach()

if(TARGET sluice_lib_shared)
  # Hidden visibility leaves the templates of the C++ library visible; this list leaves only ours.
  set(SLUICE_EXPORTS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
  target_link_options(sluice_lib_shared PRIVATE -Wl,--version-script=${SLUICE_EXPORTS})
  set_target_properties(sluice_lib_shared PROPERTIES LINK_DEPENDS ${SLUICE_EXPORTS})
  if(NOT SLUICE_SANITIZE)
    target_link_options(sluice_lib_shared PRIVATE -Wl,--no-undefined)
  endif()
endif()

if(BUILD_SHARED_LIBS)
  add_library(sluice::sluice ALIAS sluice_lib_shared)
else()
  add_library(sluice::sluice ALIAS sluice_lib_static)
endif()
if(NOT PROJECT_IS_TOP_LEVEL)
  foreach(kind ${kinds})
    string(TOLOWER ${kind} suffix)
    set_target_properties(sluice_lib_${suffix} PROPERTIES EXCLUDE_FROM_ALL ON)
  endforeach()
endif()

# For a program that logs through spdlog: its headers' names are then ours (docs/migration.md). Such
# a program brings fmt, as it did before.
add_library(sluice_spdlog INTERFACE)
target_include_directories(sluice_spdlog INTERFACE ${PROJECT_SOURCE_DIR}/include/sluice/compat)
target_link_libraries(sluice_spdlog INTERFACE sluice::sluice)
add_library(sluice::spdlog ALIAS sluice_spdlog)

# The uploader is a library of its own, so that nobody else needs what it needs: libcurl,
# OpenSSL, zlib, libzstd.
# It is linked with the static library: it uses what that does not export.
if(SLUICE_BUILD_UPLOAD)
  find_package(CURL REQUIRED)
  find_package(OpenSSL REQUIRED)
  find_package(ZLIB REQUIRED)
  find_package(zstd REQUIRED)
  set(upload_sources)
  foreach(layer net upload)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.cc)
    list(APPEND upload_sources ${sources})
  endforeach()
  add_library(sluice_upload STATIC ${upload_sources})
  set_target_properties(sluice_upload PROPERTIES EXPORT_NAME upload)
  target_compile_definitions(sluice_upload PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(sluice_upload PUBLIC sluice_lib_static PRIVATE CURL::libcurl OpenSSL::Crypto
    ZLIB::ZLIB zstd::libzstd_shared
    $<BUILD_INTERFACE:sluice_flags> $<BUILD_INTERFACE:fmt::fmt-header-only>
    $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
  sluice_outside_core(sluice_upload)
  add_library(sluice::upload ALIAS sluice_upload)
  if(NOT PROJECT_IS_TOP_LEVEL)
    set_target_properties(sluice_upload PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endif()

# The daemon's parts: nothing of them is in the library that programs link.
if(SLUICE_BUILD_COMMAND OR (PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CROSSCOMPILING))
  set(daemon_sources)
  foreach(layer append_server collector)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.cc)
    list(APPEND daemon_sources ${sources})
  endforeach()
  # Both are headers only. Each is in one file: collector/config_file.cc, collector/http_server.cc.
  find_path(SLUICE_TOMLPLUSPLUS toml++/toml.h REQUIRED)
  find_path(SLUICE_BEAST boost/beast/http/message_generator.hpp REQUIRED)
  add_library(sluice_daemon STATIC ${daemon_sources})
  target_compile_definitions(sluice_daemon PRIVATE SLUICE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(sluice_daemon PUBLIC sluice_lib_static
    PRIVATE sluice_flags fmt::fmt-header-only nlohmann_json::nlohmann_json)
  sluice_outside_core(sluice_daemon)
  target_include_directories(sluice_daemon SYSTEM PRIVATE ${SLUICE_TOMLPLUSPLUS} ${SLUICE_BEAST})
  if(NOT PROJECT_IS_TOP_LEVEL)
    set_target_properties(sluice_daemon PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endif()

file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.cc)
if(cli_sources AND SLUICE_BUILD_COMMAND)
  find_package(CLI11 REQUIRED)
  find_package(ZLIB REQUIRED)
  find_package(zstd REQUIRED)
  if(NOT TARGET sluice_upload)
    list(FILTER cli_sources EXCLUDE REGEX "/upload\\.cc$")
  endif()
  add_executable(sluice ${cli_sources})
  sluice_outside_core(sluice)
  if(SLUICE_SANITIZE MATCHES "address")
    # Tests start it some thousand times: half of that time the loader would relocate it.
    target_link_options(sluice PRIVATE -no-pie)
  endif()
  target_compile_definitions(sluice PRIVATE SLUICE_VERSION="${PROJECT_VERSION}"
    SLUICE_HAS_UPLOAD=$<TARGET_EXISTS:sluice_upload>)
  target_link_libraries(sluice PRIVATE sluice_flags sluice_lib_static fmt::fmt-header-only
    CLI11::CLI11 nlohmann_json::nlohmann_json ZLIB::ZLIB zstd::libzstd_shared)
  if(TARGET sluice_daemon)
    target_link_libraries(sluice PRIVATE sluice_daemon)
  endif()
  if(TARGET sluice_upload)
    target_link_libraries(sluice PRIVATE sluice_upload)
  endif()
endif()
