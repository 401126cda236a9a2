# Slicer's packaging needs both files, and the generated configuration before it.
foreach(name README LICENSE)
  if(NOT EXISTS "${EXTENSION_${name}_FILE}")
    message(FATAL_ERROR "EXTENSION_${name}_FILE: there is no file ${EXTENSION_${name}_FILE}")
  endif()
endforeach()
if(NOT EXISTS "${CMAKE_BINARY_DIR}/description.txt")
  message(FATAL_ERROR "include(\${Slicer_EXTENSION_GENERATE_CONFIG}) must come before the packaging")
endif()

# Slicer hands the metadata to its writer unquoted, so that a text with a semicolon is cut there; lists are joined.
function(standin_write_description)
  set(names HOMEPAGE DESCRIPTION ICONURL)
  set(lists CONTRIBUTORS SCREENSHOTURLS DEPENDS RECOMMENDS KEYWORDS)
  cmake_parse_arguments(MY "" "${names}" "${lists}" ${ARGN})
  set(text "# description\n")
  foreach(name ${names} ${lists})
    string(TOLOWER ${name} key)
    string(REPLACE ";" " " MY_${name} "${MY_${name}}")
    string(APPEND text "${key} ${MY_${name}}\n")
  endforeach()
  file(WRITE "${CMAKE_BINARY_DIR}/${EXTENSION_NAME}.s4ext" "${text}")
endfunction()
standin_write_description(
  HOMEPAGE ${EXTENSION_HOMEPAGE}
  CONTRIBUTORS ${EXTENSION_CONTRIBUTORS}
  DESCRIPTION ${EXTENSION_DESCRIPTION}
  ICONURL ${EXTENSION_ICONURL}
  SCREENSHOTURLS ${EXTENSION_SCREENSHOTURLS}
  DEPENDS ${EXTENSION_DEPENDS}
  RECOMMENDS ${EXTENSION_RECOMMENDS}
  KEYWORDS ${EXTENSION_KEYWORDS}
  )
