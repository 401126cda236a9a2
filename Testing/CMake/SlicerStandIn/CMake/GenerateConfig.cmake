# Slicer writes the extension's configuration and description from these; it stops where one is missing.
foreach(name HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS README_FILE LICENSE_FILE)
  if(NOT DEFINED EXTENSION_${name} OR EXTENSION_${name} STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${name} is not set")
  endif()
  string(APPEND description "${name}=${EXTENSION_${name}}\n")
endforeach()
file(WRITE "${CMAKE_BINARY_DIR}/description.txt" "${description}")
