# A CLI module is exactly a script and an XML file.
function(SlicerMacroBuildScriptedCLI)
  cmake_parse_arguments(arg "NO_INSTALL;VERBOSE" "NAME;FOLDER" "" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME)
    message(FATAL_ERROR "SlicerMacroBuildScriptedCLI(NAME <name>): not ${ARGN}")
  endif()
  set(files "${CMAKE_CURRENT_SOURCE_DIR}/${arg_NAME}.py" "${CMAKE_CURRENT_SOURCE_DIR}/${arg_NAME}.xml")
  set(folder "${CMAKE_BINARY_DIR}/${Slicer_CLIMODULES_BIN_DIR}")
  add_custom_command(OUTPUT "${folder}/${arg_NAME}.py" "${folder}/${arg_NAME}.xml" DEPENDS ${files}
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
    COMMAND "${CMAKE_COMMAND}" -E copy ${files} "${folder}")
  add_custom_target(${arg_NAME} ALL DEPENDS "${folder}/${arg_NAME}.py" "${folder}/${arg_NAME}.xml")
  install(FILES ${files} DESTINATION "${Slicer_INSTALL_CLIMODULES_BIN_DIR}" COMPONENT Runtime)
endfunction()
